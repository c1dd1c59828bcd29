// Runs before the first paint, so that neither the chosen theme nor the compact layout flickers in.
{
  const root = document.documentElement;
  if (new URLSearchParams(location.search).has('embed')) root.dataset.embed = '';
  try {
    const theme = localStorage.getItem('emolive.theme');
    if (theme === 'dark' || theme === 'light') root.dataset.theme = theme;
  } catch {
    // Storage may be blocked; the system's choice stands.
  }
}

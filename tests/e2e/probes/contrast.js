// Every visible text with its contrast and the contrast it needs (WCAG 2.2, 1.4.3). Pictures and disabled
// controls are exempt.
() => {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const bytes = (color) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b]
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a] = bytes(getComputedStyle(at).backgroundColor);
      if (a) layers.push([r, g, b, a / 255]);
      if (a === 255) break;
    }
    return layers.reverse().reduce(
      (below, [r, g, b, a]) => [r, g, b].map((value, at) => value * a + below[at] * (1 - a)), [255, 255, 255]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest('.unseen, :disabled, .veil, noscript, .skip')) continue;
    const style = getComputedStyle(element);
    const [light, dark] = [luminance(bytes(style.color)), luminance(behind(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push({ text, ratio: (light + 0.05) / (dark + 0.05), needed: isLarge ? 3 : 4.5 });
  }
  return found;
}

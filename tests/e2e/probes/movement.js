// How much each of several pictures of the video differs from the one before, 0 to 255.
async (pictures) => {
  const video = document.getElementById('video');
  const canvas = new OffscreenCanvas(64, 64);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const differences = [];
  let before = null;
  for (let taken = 0; taken < pictures; taken += 1) {
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    pen.drawImage(video, 0, 0, 64, 64);
    const now = pen.getImageData(0, 0, 64, 64).data;
    if (before) {
      const total = now.reduce((sum, value, at) => sum + Math.abs(value - before[at]), 0);
      differences.push(total / now.length);
    }
    before = now;
  }
  return differences;
}

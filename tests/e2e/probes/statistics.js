// What the newest connection has received so far.
async () => {
  const peer = window.peers.at(-1);
  const seen = {};
  (await peer.getStats()).forEach((entry) => {
    if (entry.type !== 'inbound-rtp') return;
    if (entry.kind === 'video') Object.assign(seen, {
      at_ms: entry.timestamp, frames: entry.framesDecoded, freezes: entry.freezeCount,
    });
    if (entry.kind === 'audio') Object.assign(seen, {
      energy: entry.totalAudioEnergy, voice_s: entry.totalSamplesDuration,
    });
  });
  return seen;
}

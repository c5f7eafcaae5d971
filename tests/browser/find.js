// Copyright (c) 2026 puffy.vmm contributors
// SPDX-License-Identifier: ISC
// From a word in the search field until the browser has drawn what comes of it, in milliseconds.
const [word, done] = arguments;
const field = document.getElementById("find");
requestAnimationFrame(() => {
  const began = performance.now();
  field.value = word;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - began);
    channel.port2.postMessage(null);
  });
});

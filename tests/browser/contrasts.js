// Copyright (c) 2026 puffy.vmm contributors
// SPDX-License-Identifier: ISC
// Each text that can be seen, with its contrast to what is behind it (WCAG 2, 1.4.3).
const parse = (text) => {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return { r, g, b, a };
};
const over = (top, below) => ({
  r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a),
  b: top.b * top.a + below.b * (1 - top.a), a: 1,
});
const light = ({ r, g, b }) => {
  const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ratio = (one, other) => {
  const [high, low] = [light(one), light(other)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const behind = (element) => {
  const colors = [];
  for (let at = element; at; at = at.parentElement) colors.push(parse(getComputedStyle(at).backgroundColor));
  return colors.reverse().reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255, a: 1 });
};
const opacity = (element) => {
  let product = 1;
  for (let at = element; at; at = at.parentElement) product *= Number(getComputedStyle(at).opacity);
  return product;
};
const found = [];
const seen = new Set();
const note = (element, color, what) => {
  const style = getComputedStyle(element), back = behind(element);
  const front = over({ ...color, a: color.a * opacity(element) }, back);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  found.push({ what, ratio: ratio(front, back), least: large ? 3 : 4.5 });
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
  if (!text || ["SCRIPT", "STYLE", "TITLE", "title", "OPTION"].includes(element.tagName)) continue;
  if (!element.checkVisibility({ visibilityProperty: true })) continue;
  const style = getComputedStyle(element);
  note(element, parse(element instanceof SVGElement ? style.fill : style.color), text);
}
for (const element of document.querySelectorAll("input, select, button")) {
  if (!element.checkVisibility()) continue;
  note(element, parse(getComputedStyle(element).color), element.id);
  if (element.placeholder) note(element, parse(getComputedStyle(element, "::placeholder").color), "placeholder");
}
// Forms of the map say something too (1.4.11).
for (const element of document.querySelectorAll("svg.map path:not(.k-outside)")) {
  if (seen.has(element.className.baseVal)) continue;
  seen.add(element.className.baseVal);
  const back = behind(element);
  found.push({ what: element.className.baseVal, ratio: ratio(parse(getComputedStyle(element).fill), back), least: 3 });
}
return found;

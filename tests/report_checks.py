"""What a page looks like, asked in a browser: each gives what is wrong."""

from __future__ import annotations

FITTING = """
() => [...document.querySelectorAll(".chart svg.marks")].flatMap((svg) => {
  const cell = svg.closest(".chart").getBoundingClientRect(), own = svg.getBoundingClientRect();
  const name = svg.closest(".chart").id || svg.closest(".chart").className;
  const found = own.width > cell.width + 1 ? [`${name} is wider than its cell`] : [];
  for (const text of svg.querySelectorAll("text")) {
    const box = text.getBoundingClientRect();
    if (box.width && (box.bottom > own.bottom + 2 || box.right > own.right + 2)) {
      found.push(`${name} cuts ${text.textContent}`);
    }
  }
  return found;
})
"""
"""Text of a chart beyond its edge."""

CONTRAST = """
() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (element.closest("svg") && element.textContent.trim().length < 2) continue;  // a mark
    if (!own || !element.checkVisibility() || element.closest("script, style")) continue;
    const svg = element.closest("svg");
    const style = getComputedStyle(element);
    const ink = parse(svg ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(svg ? svg.parentElement : element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([ratio.toFixed(2), element.textContent.trim().slice(0, 40)]);
  }
  return found;
}
"""
"""Text of less than 4.5:1 against what is behind it."""

CUT = """
() => [...document.querySelectorAll("body *")].flatMap((element) => {
  const style = getComputedStyle(element);
  if (element.closest("svg, script, style") || !element.checkVisibility()) return [];
  const own = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
  return own.flatMap((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    for (let e = element; e && e !== document.body; e = e.parentElement) {
      const { overflowX } = getComputedStyle(e), edge = e.getBoundingClientRect();
      if (overflowX === "auto" || overflowX === "scroll") return [];
      if (overflowX === "visible" && e !== element) continue;
      if (box.right > edge.right + 1 || box.left < edge.left - 1) {
        return [`${element.tagName}: ${node.data.trim().slice(0, 60)}`];
      }
    }
    return box.right > innerWidth + 1 ? [`beyond the page: ${node.data.trim()}`] : [];
  });
})
"""
"""Text beyond its element, or beyond one that does not scroll."""

// What can be checked of a page without a library: a list of complaints, empty where all is well.
(() => {
  const found = [];
  const shown = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const name = (one) =>
    (one.getAttribute("aria-label") || one.title || one.alt || one.textContent || "").trim() ||
    [...one.querySelectorAll("img[alt], svg[aria-label], [aria-label]")]
      .map((inner) => inner.alt || inner.getAttribute("aria-label")).join("");
  const where = (one) => one.outerHTML.slice(0, 90);

  if (!document.documentElement.lang) found.push("the page names no language");
  if (!document.title.trim()) found.push("the page has no title");
  if (document.querySelectorAll("main, [role=main]").length !== 1) found.push("not one main landmark");

  for (const one of document.images)
    if (!one.hasAttribute("alt")) found.push(`image without alt: ${where(one)}`);

  const headings = [...document.querySelectorAll("main h1, main h2, main h3, main h4, main h5, main h6")]
    .filter((one) => shown(one) && one.closest("article"));
  if (document.querySelectorAll("main h1").length !== 1) found.push("not one h1");
  headings.reduce((last, one) => {
    const level = Number(one.tagName[1]);
    if (level > last + 1) found.push(`heading jumps from h${last}: ${where(one)}`);
    return level;
  }, 0);

  for (const one of document.querySelectorAll("a[href], button"))
    if (shown(one) && !name(one)) found.push(`link or button without a name: ${where(one)}`);
  for (const one of document.querySelectorAll("input, select, textarea"))
    if (shown(one) && one.type !== "hidden" && !one.labels?.length &&
        !one.getAttribute("aria-label") && !one.title && !one.placeholder)
      found.push(`field without a label: ${where(one)}`);

  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const twice = ids.filter((id, k) => ids.indexOf(id) !== k);
  if (twice.length) found.push(`ids given twice: ${[...new Set(twice)].slice(0, 5)}`);

  // Contrast of text against the nearest background that is not transparent (WCAG 2.2, 1.4.3).
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const cache = new Map();
  const rgba = (text) => {
    if (!cache.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      cache.set(text, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return cache.get(text);
  };
  const over = (top, below) => below.map((part, k) =>
    k < 3 ? (top[k] * top[3] + part * (255 - top[3])) / 255 : 255);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (one) => {
    const layers = [];
    for (let at = one; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3]) layers.push(colour);
      if (colour[3] === 255) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 255]);
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (seen.has(one) || !walker.currentNode.data.trim() || !shown(one)) continue;
    if (one.closest("script, style, noscript, svg, [disabled], [aria-hidden=true]")) continue;
    seen.add(one);
    const style = getComputedStyle(one), below = background(one);
    const [light, dark] = [luminance(over(rgba(style.color), below)), luminance(below)]
      .sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5) - 0.005)
      found.push(`contrast ${ratio.toFixed(2)} of ${style.color}: ${where(one)}`);
  }
  return found;
})();

"use strict";
(() => {
  const DATA = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const METRIC = "metric_".length;

  // -- elements: everything from the data goes in as text, never as markup -----------------------
  function h(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }
  const known = (value) => value !== null && value !== undefined;
  const sum = (values) => values.reduce((a, b) => a + b, 0);

  // -- words: English ones are the keys of the catalogue, {name} is a hole ------------------------
  const t = (text, values) => (DATA.words[text] || text).replace(
    /\{(\w+)\}/g, (hole, name) => values && name in values ? values[name] : hole);
  const many = (number, noun) => DATA.words[`{n} ${noun}s`]
    ? t(`{n} ${noun}s`, { n: number }) : `${number} ${noun}${number === 1 ? "" : "s"}`;
  const word = (value) => known(value) ? String(value) : t("not recorded");

  // -- figures, as energyctl/text.py has them ----------------------------------------------------
  const UNITS = { J: 1, kJ: 1e3, MJ: 1e6, GJ: 1e9 };
  function unitOf(joules) {
    const greatest = Math.max(0, ...joules.filter(known).map(Math.abs));
    return Object.keys(UNITS).filter((unit) => greatest >= 2 * UNITS[unit]).pop() || "J";
  }
  // To a place behind the point; to tens, hundreds … where it is negative.
  function placed(value, place) {
    const step = 10 ** Math.max(0, -place);
    const rounded = step > 1 ? Math.round(value / step) * step : value;
    return rounded.toFixed(Math.min(9, Math.max(0, place)));
  }
  function number(value, digits = 4) {
    if (value !== 0 && !(Math.abs(value) >= 1e-4 && Math.abs(value) < 1e6)) {
      return value.toPrecision(digits);
    }
    const place = value ? digits - 1 - Math.floor(Math.log10(Math.abs(value))) : 0;
    const text = placed(value, Math.max(0, place));
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  }
  function withBand(value, band) {
    if (!known(band)) return [number(value)];
    if (!band) return [number(value), "0"];
    const place = 1 - Math.floor(Math.log10(Number(band.toPrecision(2))));
    return [placed(value, place), placed(band, place)];
  }
  function energy(joules, band, measured) {
    const unit = unitOf([joules]), factor = UNITS[unit];
    const text = withBand(joules / factor, known(band) ? band / factor : null).join(" ± ");
    return measured ? `${text} ${unit}` : t("{figure} (estimated)", { figure: `${text} ${unit}` });
  }
  function duration(seconds) {
    if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
    const two = (value) => String(value).padStart(2, "0");
    const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
    const hours = Math.floor(minutes / 60);
    if (hours >= 24) return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
    return hours ? `${hours} h ${two(minutes % 60)} min` : `${minutes} min ${two(whole % 60)} s`;
  }

  // -- conditions: one mark each, everywhere -----------------------------------------------------
  const SHAPES = {
    circle: "M8 1.5a6.5 6.5 0 1 0 .01 0z", square: "M2.5 2.5h11v11h-11z",
    diamond: "M8 .5L14 8 8 15.5 2 8z", cross: "M5.7 1.5h4.6v4.2h4.2v4.6h-4.2v4.2H5.7v-4.2H1.5V5.7h4.2z",
    "triangle-up": "M8 1.5L15 14H1z", "triangle-down": "M8 14.5L15 2H1z",
    "triangle-right": "M14.5 8L2 15V1z", "triangle-left": "M1.5 8L14 15V1z",
  };
  const marks = new Map(DATA.conditions.map((one) => [one.name, one]));
  function mark(name) {
    const one = marks.get(name), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("class", "mark");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", SHAPES[one ? one.shape : "circle"]);
    path.setAttribute("fill", one ? one.colour : "currentColor");
    svg.append(path);
    return svg;
  }
  for (const { name } of DATA.conditions) $("legend").append(h("li", {}, mark(name), name));
  for (const place of document.querySelectorAll("[data-condition]")) {
    if (marks.has(place.dataset.condition)) place.append(mark(place.dataset.condition));
  }

"use strict";
(() => {
  const DATA = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const views = new Map();          // element → finalize
  const PREFIX = { hyperparam_: 11, metric_: 7 };

  // -- elements and words: everything from the data goes in as text, never as markup ------------
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
  const many = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  // Words and figures come from the program: a text, or the reason why there is none.
  const cell = (name, attributes, value) => {
    const text = typeof value === "object" ? "–" : value;
    const kind = text.length > 30 && !attributes.class ? { class: "wrap" } : {};
    return h(name, { ...attributes, ...kind, title: value.why }, text);
  };

  // -- charts ------------------------------------------------------------------------------------
  const theme = () => root.dataset.theme === "dark" ? "dark" : "light";
  // One above the other, the axes of a run's charts begin at the same place.
  const ALIGNED = { minExtent: 72, maxExtent: 72, labelLimit: 70 };
  async function draw(element, spec, datasets, aligned) {
    forget(element);
    const ticket = {};
    views.set(element, ticket);
    const made = await vegaEmbed(element, { ...spec, datasets }, {
      config: { ...DATA.configs[theme()], ...(aligned ? { axisY: ALIGNED } : {}) }, renderer: "svg", tooltip: { theme: theme() },
      logLevel: 1,  // errors: that a chart has little to show is no fault
      actions: { export: true, source: false, compiled: false, editor: false },
    });
    if (views.get(element) !== ticket) { made.finalize(); return; }
    views.set(element, made);
    // A legend's columns follow the width of the plot, and the height was reckoned before.
    const low = (part) => part.getBoundingClientRect().bottom;
    const svg = element.querySelector("svg"), edge = low(svg) + 1;
    if ([...svg.querySelectorAll(".role-legend text")].some((text) => low(text) > edge)) {
      await made.view.resize().runAsync();
    }
  }
  function forget(element) {
    const made = views.get(element);
    if (made && made.finalize) made.finalize();
    views.delete(element);
    element.replaceChildren();
  }
  function named(spec, x, y) {
    const inside = (text) => JSON.stringify(text).slice(1, -1);
    const text = JSON.stringify(spec).split("\ue000x\ue001").join(inside(x));
    return JSON.parse(text.split("\ue000y\ue001").join(inside(y)));
  }

  // -- filter ------------------------------------------------------------------------------------
  const form = $("filter");
  const FIELDS = ["repository", "model", "mode", "status"];
  const word = (value) => known(value) ? String(value) : "not recorded";
  for (const name of FIELDS) {
    const values = [...new Set(DATA.runs.map((run) => word(run[name])))].sort();
    form.elements[name].append(
      h("option", { value: "" }, "all"), ...values.map((value) => h("option", { value }, value)));
    if (values.length < 2) form.elements[name].parentElement.hidden = true;
  }
  const texts = DATA.runs.map((run) => Object.values(run).filter(known).join(" ").toLowerCase());
  function chosen() {
    const find = form.elements.find.value.trim().toLowerCase();
    return DATA.runs.filter((run, index) =>
      FIELDS.every((n) => !form.elements[n].value || form.elements[n].value === word(run[n])) &&
      (!find || texts[index].includes(find)));
  }

  // -- the table of runs -------------------------------------------------------------------------
  const varied = DATA.hyperparameters.map((axis) => axis.name);
  let order = { column: 0, down: false };
  function sorted(runs) {
    const key = DATA.columns[order.column].key, sign = order.down ? -1 : 1;
    return [...runs].sort((a, b) => {
      const [x, y] = [a[key], b[key]];
      if (!known(x) || !known(y)) return known(x) ? -1 : known(y) ? 1 : 0;
      return sign * (typeof x === "number" && typeof y === "number" ? x - y
        : String(x).localeCompare(String(y)));
    });
  }
  function table(runs) {
    const [head, body] = [$("t-runs").tHead, $("t-runs").tBodies[0]];
    head.replaceChildren(h("tr", {}, DATA.columns.map(({ name, number }, index) => {
      const mark = index === order.column ? (order.down ? " ↓" : " ↑") : "";
      const sort = index === order.column ? (order.down ? "descending" : "ascending") : null;
      const button = h("button", { type: "button" }, name + mark);
      button.onclick = () => {
        order = { column: index, down: order.column === index && !order.down };
        table(chosen());
      };
      return h("th", { scope: "col", class: number ? "n" : null, "aria-sort": sort }, button);
    })));
    body.replaceChildren(...sorted(runs).map((run) => h("tr", {},
      DATA.columns.map(({ key, number }, index) => {
        const value = run.cells[index];
        if (key === "number") return h("td", {}, h("a", { href: "#run=" + run.number }, value));
        if (key === "status") return h("td", {}, h("span", { class: "status-" + value }, value));
        return cell("td", { class: number ? "n" : "" }, value || { why: run.missing });
      }))));
    $("t-runs").parentElement.classList.toggle("tall", runs.length > 14);
  }

  // -- the charts over runs ----------------------------------------------------------------------
  function front(points, less) {
    const groups = new Map();
    for (const point of points) {
      groups.set(point.group, [...(groups.get(point.group) || []), point]);
    }
    const sign = less ? 1 : -1;
    for (const members of groups.values()) {
      for (const p of members) {
        p.front = !members.some((q) => q.x <= p.x && sign * q.y <= sign * p.y &&
          (q.x < p.x || sign * q.y < sign * p.y));
      }
    }
    return points;
  }
  function points(runs, x, y) {
    const banded = x === "joules" || y === "joules";
    return runs.filter((r) => r.status === "succeeded" && known(r[x]) && known(r[y])).map((r) => ({
      experiment_id: r.experiment_id, number: r.number, label: r.label, condition: r.condition,
      repository: r.repository, model: r.model, imported: r.imported, measured: r.measured,
      group: r.group, x: r[x], y: r[y], low: banded ? r.low : null, high: banded ? r.high : null,
      front: false,
    }));
  }
  function fill(select, names, prefix) {
    select.append(...names.map((value) => h("option", { value }, value.slice(prefix))));
    select.parentElement.hidden = names.length < 2;
  }
  fill($("x"), varied, PREFIX.hyperparam_);
  fill($("y"), DATA.metrics.map((metric) => metric.name), PREFIX.metric_);
  // A chart takes the width of its cell: first it is settled which charts there are, and so how
  // wide a cell is, then they are drawn.
  function place(charts) {
    for (const [id, , , rows] of charts) $(id).hidden = !rows.length;
    for (const [id, spec, datasets, rows] of charts) {
      if (rows.length) draw($(id), spec, datasets); else forget($(id));
    }
  }
  function values(runs) {
    const axis = DATA.hyperparameters.find((each) => each.name === $("x").value);
    const metric = DATA.metrics.find((each) => each.name === $("y").value);
    const x = axis ? axis.name.slice(PREFIX.hyperparam_) : "";
    const y = metric ? metric.name.slice(PREFIX.metric_) : "";
    const of = (a, b, less) => {
      const made = a && b ? points(runs, a, b) : [];
      return a === "joules" ? front(made, less) : made;
    };
    const one = of(axis && axis.name, "joules"), two = of(axis && axis.name, metric && metric.name);
    const three = of(metric && "joules", metric && metric.name, metric && metric.less);
    const kind = axis ? axis.kind : "linear";
    const best = DATA.charts["front " + (metric && metric.less ? "less" : "more")];
    $("s-values").hidden = !axis && !metric;
    $("front-note").hidden = !three.length;
    place([
      ["c-against", named(DATA.charts["energy " + kind], x, y), { points: one }, one],
      ["c-metric", named(DATA.charts["metric " + kind], x, y), { points: two }, two],
      ["c-front", named(best, x, y), { points: three }, three],
    ]);
  }
  function overview(runs) {
    const there = new Set(runs.map((run) => run.number));
    const domains = DATA.domains.filter((row) => there.has(row.number));
    const some = (id, name, field) =>
      [id, DATA.charts[name], { runs }, runs.filter((run) => known(run[field]))];
    const blind = runs.filter((run) => run.mode === "parallel" && !known(run.coverage)).length;
    const deaf = runs.filter((run) => !known(run.foreign_cores)).length;
    const parts = [[blind, "coverage and gaps of the background", "parallel run"],
      [deaf, "load by others", "run"]].filter(([number]) => number);
    $("background-note").textContent = parts.map(([number, what, noun]) =>
      `Not known of ${many(number, noun)}: ${what}.`).join(" ");
    $("s-background").hidden = !runs.length;
    place([
      ["c-energy", DATA.charts.energy, { domains, runs },
        domains.filter((row) => known(row.joules))],
      some("c-coverage", "coverage", "coverage"),
      some("c-gap", "gap", "max_gap_seconds"),
      some("c-settle", "settle", "settle_seconds"),
      some("c-foreign", "foreign", "foreign_cores"),
      ...($("c-machines") ? [some("c-machines", "machines", "relative")] : []),
    ]);
  }

  // -- conditions compared: of all runs, whatever is filtered -----------------------------------
  function compared() {
    DATA.compared.charts.forEach(([lines, ratios], index) => {
      draw($("c-blocks-" + index), lines, DATA.compared.rows);
      draw($("c-ratios-" + index), ratios, DATA.compared.rows);
    });
  }

  // -- whose the energy was: of all pairs -------------------------------------------------------
  function shares() {
    if (!DATA.shares) return;
    for (const [id, spec] of Object.entries(DATA.shares.charts)) draw($(id), spec, DATA.shares.rows);
  }

  // -- each run ----------------------------------------------------------------------------------
  async function unpack(index) {
    const bytes = Uint8Array.from(atob($("run-" + index).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }
  function rows(packed, key, fields) {
    const made = [];
    for (const [name, columns] of Object.entries(packed)) {
      let steps = 0;
      columns.t.forEach((step, at) => {
        steps += step;
        const row = { seconds: steps * 0.05, [key]: name };
        for (const field of fields) {
          const value = columns[field].v[at];
          row[field] = value === null ? null : value * columns[field].scale;
        }
        row.mean = columns.mean ? Boolean(columns.mean[at]) : false;
        made.push(row);
      });
    }
    return made;
  }
  function grid({ title, head, rows }) {
    return h("div", {}, h("h3", {}, title), h("div", { class: "scroll" }, h("table", {},
      head.length ? h("thead", {}, h("tr", {}, head.map((n) => h("th", { scope: "col" }, n)))) : null,
      h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, head.length ? cell("td", {}, first)
        : h("th", { scope: "row" }, first), rest.map((value) => cell("td", {}, value))))))));
  }
  function facts(f) {
    return [
      f.error ? h("p", { class: "note bad" }, f.error) : null,
      f.warnings.length ? h("div", { class: "note warn" }, h("ul", {},
        f.warnings.map((line) => h("li", {}, line)))) : null,
      h("div", { class: "columns" }, f.tables.map(grid)),
    ];
  }
  async function open(details, run) {
    const index = run.number - 1, body = details.lastElementChild;
    body.replaceChildren("…");
    const packed = await unpack(index);
    if (!details.open) return;
    const power = rows(packed.power, "domain", ["watts"]);
    const gpu = rows(packed.gpu, "gpu", ["celsius", "percent", "memory_percent"]);
    const sets = { phases: packed.phases, iterations: packed.iterations, power, gpu };
    const specs = DATA.runCharts[DATA.shapes[index]];
    const has = (field) => gpu.some((row) => known(row[field]));
    const parts = [
      ["power", "power of every domain over time", power.length],
      ["iterations", "iterations of the background", packed.iterations.length],
      ["temperature", "temperature of the GPUs", has("celsius")],
      ["utilization", "utilisation of the GPUs", has("percent")],
    ].filter(([, , there]) => there);
    const drawn = parts.map(([name, label]) =>
      [name, h("div", { class: "chart run-" + name, role: "img", "aria-label": label })]);
    body.replaceChildren(...drawn.map(([, element]) => element),
      h("p", { class: "soft" }, !power.length ? "no power samples lie beside its result"
        : power.some((row) => row.mean) ? "Thin lines: the mean of a phase without samples." : ""),
      ...facts(packed.facts).filter(Boolean));
    details.charts = () => drawn.map(([name, element]) => draw(element, specs[name], sets, true));
    details.rest = () => drawn.forEach(([, element]) => {
      element.style.minHeight = element.offsetHeight + "px";
      forget(element);
    });
    near.observe(details);
  }
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!target.charts || target.drawn === isIntersecting) continue;
      target.drawn = isIntersecting;
      if (isIntersecting) target.charts(); else target.rest();
    }
  }, { rootMargin: "1200px" });
  const items = new Map(DATA.runs.map((run) => {
    const details = h("details", { class: "run", id: "r" + run.number },
      h("summary", {}, h("b", {}, run.label),
        h("span", { class: "status-" + run.status }, run.status), h("span", {}, word(run.mode)),
        run.summary.map((text) => h("span", {}, text)),
        h("span", { class: "soft" }, run.experiment_id)), h("div", {}));
    details.ontoggle = () => {
      if (details.open) { open(details, run); return; }
      near.unobserve(details);
      if (details.drawn) details.rest();
      details.charts = details.rest = undefined;
      details.drawn = false;
      details.lastElementChild.replaceChildren();
    };
    return [run.number, details];
  }));
  $("each").append(...items.values());

  // -- together ----------------------------------------------------------------------------------
  function show() {
    const runs = chosen(), there = new Set(runs.map((run) => run.number));
    $("shown").value = `${runs.length} of ${DATA.runs.length} runs`;
    items.forEach((details, number) => { details.hidden = !there.has(number); });
    table(runs);
    const measured = runs.filter((run) => !run.warm_up);
    overview(measured);
    values(measured);
  }
  function keep() {
    const state = new URLSearchParams();
    for (const element of form.elements) {
      if (element.name && element.value) state.set(element.name, element.value);
    }
    for (const id of ["x", "y"]) if ($(id).selectedIndex > 0) state.set(id, $(id).value);
    history.replaceState(null, "", "#" + state);
  }
  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const element of form.elements) {
      if (element.name) element.value = state.get(element.name) || "";
    }
    for (const id of ["x", "y"]) if (state.get(id)) $(id).value = state.get(id);
    if (state.get("run")) reveal(Number(state.get("run")));
  }
  function reveal(number) {
    const details = items.get(number);
    if (!details) return;
    details.open = true;
    details.scrollIntoView({ block: "start" });
  }
  let waiting = null;
  form.oninput = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { keep(); show(); }, 150);
  };
  $("x").onchange = $("y").onchange = () => { keep(); values(chosen()); };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#run="]');
    if (!link) return;
    event.preventDefault();
    reveal(Number(link.getAttribute("href").slice(5)));
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function paint(name) {
    root.dataset.theme = name;
    compared();
    shares();
    overview(chosen());
    values(chosen());
    items.forEach((details) => { if (details.drawn) details.charts(); });
  }
  root.dataset.theme = dark.matches ? "dark" : "light";
  dark.onchange = () => paint(dark.matches ? "dark" : "light");
  $("theme").onclick = () => paint(theme() === "dark" ? "light" : "dark");
  restore();
  compared();
  shares();
  show();
})();

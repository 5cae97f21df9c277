
  // -- charts ------------------------------------------------------------------------------------
  const views = new Map();          // element → finalize
  const theme = () => root.dataset.theme === "dark" ? "dark" : "light";
  // One above the other, the axes of a run's charts begin at the same place.
  const ALIGNED = { minExtent: 48, maxExtent: 48, labelLimit: 46 };
  async function draw(element, spec, datasets, aligned) {
    forget(element);
    const ticket = {};
    views.set(element, ticket);
    const config = { ...DATA.configs[theme()], ...(aligned ? { axisY: ALIGNED } : {}) };
    const made = await vegaEmbed(element, { ...spec, datasets }, {
      config, renderer: "svg", tooltip: { theme: theme() },
      logLevel: 1,  // errors: that a chart has little to show is no fault
      actions: { export: true, source: false, compiled: false, editor: false },
      i18n: { SVG_ACTION: t("Save as SVG"), PNG_ACTION: t("Save as PNG"),
        CLICK_TO_VIEW_ACTIONS: t("Save this chart") },
    });
    if (views.get(element) !== ticket) { made.finalize(); return null; }
    views.set(element, made);
    await settle(made);
    return made.view;
  }
  // A legend's columns follow the width of the plot, and the height was reckoned before.
  async function settle({ view }) {
    const svg = view && view.container().querySelector("svg");
    if (!svg) return;
    const low = (part) => part.getBoundingClientRect().bottom, edge = low(svg) + 1;
    if ([...svg.querySelectorAll(".role-legend text")].some((text) => low(text) > edge)) {
      await view.resize().runAsync();
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
  const FIELDS = ["condition", "repository", "model", "status"];
  for (const name of FIELDS) {
    const values = [...new Set(DATA.runs.map((run) => word(run[name])))].sort();
    const shown = (value) => name === "status" ? t(value) : value;
    form.elements[name].append(h("option", { value: "" }, t("all")),
      ...values.map((value) => h("option", { value }, shown(value))));
    if (values.length < 2) form.elements[name].parentElement.hidden = true;
  }
  // Of a run what is shown of it, and its own values with all their digits.
  const texts = DATA.runs.map((run) => [
    run.label, run.experiment_id, run.campaign, run.repository, run.model, run.condition,
    run.status, run.error, ...run.cells,
    ...Object.keys(run).filter((name) => /^(hyperparam|metric)_/.test(name)).map((name) => run[name]),
  ].filter(known).join(" ").toLowerCase());
  function chosen() {
    const find = form.elements.find.value.trim().toLowerCase();
    return DATA.runs.filter((run, index) =>
      FIELDS.every((n) => !form.elements[n].value || form.elements[n].value === word(run[n])) &&
      (!find || texts[index].includes(find)));
  }

  // -- the first figure: means as energyctl/analysis/answer.py has them --------------------------
  function levels(runs) {
    if (!DATA.levels) return [];
    const { rows, unit, spec } = DATA.levels, factor = UNITS[unit];
    const there = new Set(runs.map((run) => run.experiment_id));
    const points = rows.points.filter((row) => there.has(row.experiment_id));
    const means = rows.levels.map((level) => {
      const own = points.filter((row) => row.place === level.place);
      const n = own.length, words = [`n = ${n}`];
      const made = { ...level, n, joules: null, low: null, high: null };
      if (n) {
        made.joules = sum(own.map((row) => row.joules)) / n;
        if (n > 1) {
          const spread = Math.sqrt(sum(own.map((row) => (row.joules - made.joules) ** 2)) / (n - 1));
          const half = DATA.quantiles[n - 2] * spread / Math.sqrt(n);
          [made.low, made.high] = [made.joules - half, made.joules + half];
        }
        const half = n > 1 ? (made.high - made.low) / 2 / factor : null;
        const shown = (joules) => withBand(joules / factor, half)[0];
        words.push(t("mean {x}", { x: shown(made.joules) + (n > 1 ? "" : ` ${unit}`) }));
        if (n > 1) {
          const edges = { low: shown(made.low), high: `${shown(made.high)} ${unit}` };
          words.push(t("95 % interval {low} to {high}", edges));
        }
        if (own.some((row) => !row.measured)) words.push(t("in part an estimate"));
      }
      return { ...made, words: words.join(t(", ")) };
    });
    const sets = { points, levels: means, trainings: rows.trainings };
    return [["c-levels", spec, sets, rows.points]];
  }

  // -- the line of facts -------------------------------------------------------------------------
  function factLine(runs) {
    const of = (field) => runs.map((run) => run[field]).filter(known);
    const counts = new Map();
    for (const { status } of runs) counts.set(status, (counts.get(status) || 0) + 1);
    const states = [...counts].map(([status, n]) => `${n} ${t(status)}`).join(t(", "));
    const joules = of("joules"), seconds = of("seconds");
    const bands = runs.filter((run) => known(run.high)).map((run) => run.high - run.joules);
    const measured = runs.every((run) => !known(run.joules) || run.measured);
    const parts = [h("span", {}, h("b", {}, many(runs.length, "run")), runs.length ? ` (${states})` : "")];
    const totals = new Set(runs.filter((run) => known(run.joules)).map((run) => run.by_itself));
    if (joules.length && !(totals.has(true) && totals.has(false))) {
      const band = bands.length === joules.length ? sum(bands) : null;
      const some = joules.length < runs.length ? " " + t("of {n}", { n: many(joules.length, "run") }) : "";
      parts.push(h("span", {}, h("b", {}, energy(sum(joules), band, measured)), ` ${t("total energy")}${some}`));
    }
    if (seconds.length) parts.push(h("span", {}, h("b", {}, duration(sum(seconds))), ` ${t("metered")}`));
    const places = [...new Set(runs.map((run) => run.place))].map((place) => DATA.places[place]);
    for (const at of [0, 1, 2]) {
      const names = [...new Set(places.map((place) => place[at]))].filter((name) => name !== "not known");
      if (!names.length) continue;
      const more = names.length > 1 ? " " + t("and {n} more", { n: names.length - 1 }) : "";
      parts.push(h("span", { title: names.join("; ") }, names[0] + more));
    }
    if (runs.some((run) => run.imported)) parts.push(h("span", {}, t("† imported")));
    $("facts").replaceChildren(...parts);
  }

  // -- the table of runs -------------------------------------------------------------------------
  // Words and figures come from the program: a text, or the reason why there is none.
  const cell = (name, attributes, value) => {
    const text = typeof value === "object" ? "–" : value;
    const kind = text.length > 30 && !attributes.class ? { class: "wrap" } : {};
    return h(name, { ...attributes, ...kind, title: value.why }, text);
  };
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
      const sign = index === order.column ? (order.down ? " ↓" : " ↑") : "";
      const sort = index === order.column ? (order.down ? "descending" : "ascending") : null;
      const button = h("button", { type: "button" }, name + sign);
      button.onclick = () => {
        order = { column: index, down: order.column === index && !order.down };
        table(chosen());
      };
      return h("th", { scope: "col", class: number ? "n" : null, "aria-sort": sort }, button);
    })));
    body.replaceChildren(...sorted(runs).map((run) => h("tr", {},
      DATA.columns.map(({ key, number }, index) => {
        const value = run.cells[index];
        if (key === "number") return h("td", {}, h("a", { href: "#r" + run.number }, value));
        if (key === "status") return h("td", {}, h("span", { class: "status-" + run.status }, value));
        if (key === "condition") return h("td", {}, mark(value), value);
        return cell("td", { class: number ? "n" : "" }, value || { why: run.missing[index] });
      }))));
    fitRows();
  }
  // A table that scrolls ends between two rows.
  function fitRows() {
    const box = $("t-runs").parentElement, rows = [...$("t-runs").tBodies[0].rows].slice(0, 14);
    box.classList.toggle("tall", $("t-runs").tBodies[0].rows.length > 14);
    const bar = box.offsetHeight - box.clientHeight;
    const last = rows.length ? rows[rows.length - 1].getBoundingClientRect().bottom : 0;
    const tall = last - $("t-runs").getBoundingClientRect().top + bar;
    box.style.maxHeight = box.classList.contains("tall") ? `${tall}px` : "";
    box.style.scrollPaddingTop = `${$("t-runs").tHead.offsetHeight}px`;
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
  function fill(select, named) {
    select.append(...named.map(([value, label]) => h("option", { value }, label)));
    select.parentElement.hidden = named.length < 2;
  }
  fill($("x"), DATA.hyperparameters.map((axis) => [axis.name, axis.label]));
  fill($("y"), DATA.metrics.map(({ name }) => [name, name.slice(METRIC)]));
  // A chart takes the width of its cell: first it is settled which charts there are, and so how
  // wide a cell is, then they are drawn.
  function place(charts) {
    for (const [id, , , rows] of charts) $(id).hidden = !rows.length;
    return Promise.allSettled(charts.map(([id, spec, datasets, rows]) =>
      rows.length ? draw($(id), spec, datasets) : forget($(id))));
  }
  function values(runs) {
    const axis = DATA.hyperparameters.find((each) => each.name === $("x").value);
    const metric = DATA.metrics.find((each) => each.name === $("y").value);
    const x = axis ? axis.label : "";
    const y = metric ? metric.name.slice(METRIC) : "";
    const of = (a, b, less) => {
      const made = a && b ? points(runs, a, b) : [];
      return a === "joules" ? front(made, less) : made;
    };
    const one = of(axis && axis.name, "joules"), two = of(axis && axis.name, metric && metric.name);
    const three = of(metric && "joules", metric && metric.name, metric && metric.less);
    const kind = axis ? axis.kind : "linear";
    const best = DATA.charts["front " + (metric && metric.less ? "less" : "more")];
    $("s-values").hidden = !one.length && !two.length && !three.length;
    $("front-note").hidden = !three.length;
    return place([
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
    const unseen = [[blind, "Coverage and gaps of the background are not known of {n}."],
      [deaf, "Load by others is not known of {n}."]].filter(([number]) => number);
    $("background-note").textContent = unseen.map(([number, text]) =>
      t(text, { n: many(number, "run") })).join(" ");
    $("s-background").hidden = !runs.length;
    return place([
      ...levels(runs),
      ["c-energy", DATA.charts.energy, { domains, runs },
        domains.filter((row) => known(row.joules))],
      some("c-coverage", "coverage", "coverage"),
      some("c-gap", "gap", "max_gap_seconds"),
      some("c-settle", "settle", "settle_seconds"),
      some("c-foreign", "foreign", "foreign_cores"),
      ...($("c-machines") ? [some("c-machines", "machines", "relative")] : []),
    ]);
  }

  // -- of all runs, whatever is filtered: conditions compared, whose the energy was --------------
  function settled() {
    const { charts, rows } = DATA.compared;
    const blocks = charts.flatMap(([lines, ratios], index) => [
      draw($("c-blocks-" + index), lines, rows), draw($("c-ratios-" + index), ratios, rows)]);
    const shares = DATA.shares ? Object.entries(DATA.shares.charts) : [];
    const factors = DATA.factors.map(({ rows, spec }, index) =>
      draw($("c-factor-" + index), spec, rows));
    return Promise.allSettled([
      ...factors, ...shares.map(([id, spec]) => draw($(id), spec, DATA.shares.rows)), ...blocks]);
  }

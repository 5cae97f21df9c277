
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

  // -- a line across the charts of a run, and what was there at its time -------------------------
  function wattsAt(power, domain, seconds) {
    const own = power.filter((row) => row.domain === domain), means = own.filter((row) => row.mean);
    const samples = own.filter((row) => !row.mean);
    if (samples.length && samples[0].seconds <= seconds) {
      const next = samples.find((row) => row.seconds >= seconds);  // a mean since the row before
      if (next) return next.watts;
    }
    for (let at = 0; at + 1 < means.length; at += 3) {  // begin, end, and a null
      if (means[at].seconds <= seconds && seconds <= means[at + 1].seconds) return means[at].watts;
    }
    return null;
  }
  function readAt(seconds, { power, phases }) {
    const phase = phases.find((one) => one.start <= seconds && seconds <= one.end);
    const domains = [...new Set(power.map((row) => row.domain))];
    const watts = domains.map((domain) => wattsAt(power, domain, seconds));
    const all = watts.length && watts.every(known) ? sum(watts) : null;
    const shown = (name, value) => h("span", {}, `${name} `,
      h("b", {}, known(value) ? `${value.toFixed(1)} W` : "–"));
    return [h("span", {}, h("b", {}, `${seconds.toFixed(1)} s`)), h("span", {}, phase ? phase.label : "–"),
      ...domains.map((domain, at) => shown(domain, watts[at])),
      ...(domains.length > 1 ? [shown(t("together"), all)] : [])];
  }
  function crosshair(stack, readout, view, sets) {
    const hair = h("i", { class: "hair" });
    const first = stack.querySelector(".chart");
    stack.append(hair);
    stack.onpointermove = (event) => {
      const left = first.getBoundingClientRect().left + view.origin()[0];
      const scale = view.scale("x"), [begin, end] = scale.range(), at = event.clientX - left;
      const inside = begin <= at && at <= end;
      hair.hidden = !inside;
      if (!inside) return;
      hair.style.left = `${event.clientX - stack.getBoundingClientRect().left}px`;
      readout.replaceChildren(...readAt(scale.invert(at), sets));
    };
    stack.onpointerleave = () => { hair.hidden = true; };
    hair.hidden = true;
  }

  function grid({ title, head, rows, foot }) {
    const figure = (value) => typeof value !== "string" || /^[-+−–]?\d/.test(value);
    const right = head.map((_, at) => rows.every((row) => figure(row[at])) ? "n" : null);
    const line = ([first, ...rest], bold) => h("tr", {}, head.length && !bold ? cell("td", {}, first)
      : h("th", { scope: "row" }, first),
    rest.map((value, at) => cell("td", right[at + 1] ? { class: "n" } : {}, value)));
    return h("div", {}, h("h3", {}, title), h("div", { class: "scroll" }, h("table", {},
      head.length ? h("thead", {}, h("tr", {}, head.map((n, at) => h("th", { scope: "col", class: right[at] }, n)))) : null,
      h("tbody", {}, rows.map((row) => line(row))),
      foot ? h("tfoot", {}, line(foot, true)) : null)));
  }
  function facts(f) {
    return [
      f.error ? h("p", { class: "note bad", lang: "en" }, f.error) : null,
      h("div", { class: "columns" }, f.tables.map(grid)),
      f.warnings.length ? h("details", { class: "note warn" },
        h("summary", {}, many(f.warnings.length, "warning")),
        h("ul", { lang: "en" }, f.warnings.map((line) => h("li", {}, line)))) : null,
    ];
  }
  async function open(details, run) {
    const index = run.number - 1, body = details.lastElementChild;
    body.replaceChildren("…");
    const packed = await unpack(index);
    if (!details.open) return;
    const power = rows(packed.power, "domain", ["watts"]);
    const gpu = rows(packed.gpu, "gpu", ["celsius", "percent", "memory_percent"]);
    const series = rows(packed.series, "metric", ["value"]);
    const sets = { phases: packed.phases, iterations: packed.iterations, power, gpu, series };
    const specs = DATA.runCharts[DATA.shapes[index]];
    const has = (field) => gpu.some((row) => known(row[field]));
    const parts = [
      ["power", "power of every domain over time", power.length],
      ...Object.keys(specs).filter((name) => name.startsWith("series "))
        .map((name) => [name, "a metric over time", series.length]),
      ["iterations", "iterations of the background", packed.iterations.length],
      ["temperature", "temperature of the GPUs", has("celsius")],
      ["utilization", "utilisation of the GPUs", has("percent")],
    ].filter(([, , there]) => there);
    const drawn = parts.map(([name, label]) =>
      [name, h("div", { class: "chart run-" + name, role: "img", "aria-label": t(label) })]);
    const stack = h("div", { class: "stack" }, drawn.map(([, element]) => element));
    const readout = h("p", { class: "readout" }, power.length
      ? t("Point at a time to read the power of each domain there.")
      : t("no power samples lie beside its result"));
    const levels = power.some((row) => row.mean) ? h("p", { class: "soft" },
      t("Thin lines: the mean of a phase, of which no samples are kept.")) : null;
    body.replaceChildren(...[readout, stack, levels, ...facts(packed.facts)].filter(Boolean));
    details.charts = async () => {
      const views = await Promise.all(
        drawn.map(([name, element]) => draw(element, specs[name], sets, true)));
      if (views[0] && power.length) crosshair(stack, readout, views[0], sets);
    };
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
      h("summary", {}, h("b", {}, run.label), h("span", {}, mark(run.condition), run.condition),
        h("span", { class: "status-" + run.status }, t(run.status)),
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


  // -- together ----------------------------------------------------------------------------------
  const filtered = () => [...form.elements].some((element) => element.name && element.value);
  const trained = (runs) => runs.filter((run) => !run.warm_up);
  function show() {
    const runs = chosen(), there = new Set(runs.map((run) => run.number));
    const all = DATA.runs.length;
    $("shown").value = t("{n} of {all}", { n: runs.length, all: many(all, "run") });
    root.classList.toggle("filtered", filtered());
    items.forEach((details, number) => { details.hidden = !there.has(number); });
    factLine(runs);
    table(runs);
    return Promise.all([overview(trained(runs)), values(trained(runs))]);
  }

  // -- the address: #r12&condition=alone is run 12 open, and a filter ----------------------------
  const RUN = /^#r(?:un=)?(\d+)(?=&|$)/;
  const opened = () => Number((location.hash.match(RUN) || [])[1] || 0);
  const state = () => new URLSearchParams(location.hash.replace(RUN, "").replace(/^#?&?/, ""));
  function keep() {
    const kept = new URLSearchParams(), run = opened();
    for (const element of form.elements) {
      if (element.name && element.value) kept.set(element.name, element.value);
    }
    for (const id of ["x", "y"]) if ($(id).selectedIndex > 0) kept.set(id, $(id).value);
    const parts = [run ? `r${run}` : "", String(kept)].filter(Boolean);
    history.replaceState(null, "", "#" + parts.join("&"));
  }
  function restore() {
    const kept = state();
    for (const element of form.elements) {
      if (element.name) element.value = kept.get(element.name) || "";
    }
    for (const id of ["x", "y"]) if (kept.get(id)) $(id).value = kept.get(id);
  }
  function reveal(number) {
    const details = items.get(number);
    if (!details) return;
    details.hidden = false;
    details.open = true;
    details.scrollIntoView({ block: "start" });
  }
  let waiting = null;
  form.oninput = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { keep(); show(); }, 150);
  };
  $("x").onchange = $("y").onchange = () => { keep(); values(trained(chosen())); };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#r"]');
    if (!link) return;
    event.preventDefault();
    history.pushState(null, "", link.getAttribute("href"));
    keep();
    reveal(opened());
  });
  addEventListener("hashchange", () => { restore(); show().then(() => reveal(opened())); });

  // -- themes, width, paper ----------------------------------------------------------------------
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function paint(name) {
    root.dataset.theme = name;
    settled();
    overview(trained(chosen()));
    values(trained(chosen()));
    items.forEach((details) => { if (details.drawn) details.charts(); });
  }
  root.dataset.theme = dark.matches ? "dark" : "light";
  dark.onchange = () => paint(dark.matches ? "dark" : "light");
  $("theme").onclick = () => paint(theme() === "dark" ? "light" : "dark");
  $("filters").open = innerWidth > 700;
  let resized = null;
  addEventListener("resize", () => {
    fitRows();
    clearTimeout(resized);
    resized = setTimeout(() => { for (const made of views.values()) settle(made); }, 200);
  });
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not(.run):not([open])")) {
      part.open = true;
      part.dataset.opened = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const part of document.querySelectorAll("[data-opened]")) {
      part.open = false;
      delete part.dataset.opened;
    }
  });
  restore();
  // Charts above a run take their room first, so that it stays where it was scrolled to.
  Promise.all([show(), settled()]).then(() => reveal(opened()));
})();

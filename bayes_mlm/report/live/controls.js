// Controls and pictures of the section that refits the model; the section is empty without a script.
(() => {
  const box = document.getElementById("live");
  if (!box) return;
  const model = JSON.parse(document.getElementById("live-model").textContent);
  const original = model.priors.sigma_u;
  const { make, draw, number, to, decimalsOf, startOf, rowOf, profileTable } = liveTools;
  const scaleName = { HalfNormal: "sigma", HalfStudentT: "sigma", HalfCauchy: "beta", Exponential: "lam" };

  // The scale of a prior: of an exponential the mean, 1 / lam.
  const scaleOf = (prior) =>
    prior.family === "Exponential" ? 1 / prior.lam : prior[scaleName[prior.family]];
  const priorOf = (family, scale) => {
    const value = family === "Exponential" ? 1 / scale : scale;
    return family === "Flat" ? { family } : { family, nu: original.nu ?? 3, [scaleName[family]]: value };
  };

  const start = original.family === "Flat" ? model.sd[model.sd.length - 1] : scaleOf(original);
  const state = {
    family: original.family,
    scale: start,
    dropped: new Set(),
    excluded: new Set(),
    profiles: startOf(model),
  };
  const controls = make("form", { className: "live-controls" });
  controls.addEventListener("submit", (event) => event.preventDefault());

  const family = make("select", { id: "live-family" });
  for (const name of Object.keys(livePosterior.PRIORS))
    family.append(make("option", { value: name, textContent: name, selected: name === state.family }));
  const scale = make("input", {
    type: "range", id: "live-scale", min: "-3", max: "2", step: "0.01", value: "0",
  });
  const scaleText = make("output", { htmlFor: "live-scale" });
  const describe = () => {
    const flat = state.family === "Flat";
    scale.disabled = flat;
    scaleText.textContent = flat ? "no scale" : number(state.scale);
    scale.setAttribute("aria-valuetext", scaleText.textContent);
  };
  family.addEventListener("change", () => {
    state.family = family.value;
    refit();
  });
  scale.addEventListener("input", () => {
    state.scale = start * 10 ** Number(scale.value);
    refit();
  });
  controls.append(
    make("fieldset", {}, make("legend", { textContent: "Prior of sigma_u" }),
      make("label", {}, "Family ", family), " ",
      make("label", {}, "Scale ", scale), " ", scaleText),
  );

  const terms = make("fieldset", {}, make("legend", { textContent: "Predictors in the model" }));
  model.terms.forEach((term, k) => {
    if (k === model.intercept) return;
    const tick = make("input", { type: "checkbox", checked: true, name: `term-${k}` });
    tick.addEventListener("change", () => {
      if (tick.checked) state.dropped.delete(k);
      else state.dropped.add(k);
      refit();
    });
    terms.append(make("label", { className: "tick" }, tick, ` ${term} `));
  });
  controls.append(terms);

  if (model.terms.length > 1) controls.append(profileTable(model, state.profiles, [], () => refit()));

  const groups = make("details", {}, make("summary"));
  const search = make("input", { type: "search", ariaLabel: `Search ${model.group}` });
  const list = make("div", { className: "live-groups" });
  const ticks = model.labels.map((label, j) => {
    const tick = make("input", { type: "checkbox", checked: true, name: `group-${j}` });
    tick.addEventListener("change", () => toggle(j, !tick.checked));
    list.append(make("label", { className: "tick" }, tick, ` ${label} (${model.counts[j]})`));
    return tick;
  });
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    [...list.children].forEach((label, j) => {
      label.hidden = !model.labels[j].toLowerCase().includes(wanted);
    });
  });
  groups.append(search, list);
  controls.append(groups);
  const reset = make("button", { type: "button", textContent: "As in the report" });
  controls.append(reset);

  const sentence = make("p", { className: "live-answer" });
  sentence.setAttribute("role", "status");
  const results = make("div", { className: "table" });
  results.tabIndex = 0;
  const picture = make("figure");
  box.append(controls, sentence, results, picture);

  const toggle = (j, out) => {
    if (out && model.labels.length - state.excluded.size <= 2) out = false;
    if (out) state.excluded.add(j);
    else state.excluded.delete(j);
    ticks[j].checked = !out;
    refit();
  };

  reset.addEventListener("click", () => {
    Object.assign(state, { family: original.family, scale: start });
    state.dropped.clear();
    state.excluded.clear();
    family.value = original.family;
    scale.value = "0";
    for (const tick of controls.querySelectorAll("input[type=checkbox]")) tick.checked = true;
    refit();
  });

  const cell = (tag, text) => make(tag, { textContent: text });
  const tableOf = (found) => {
    const names = found.terms.map((term, i) => [`beta[${term}]`, found.beta[i],
      found.reml.known ? found.reml.beta[i] : NaN]);
    const rows = [
      ...names,
      ["sigma_u", found.sigmaU, found.reml.sigmaU],
      ["sigma_e", found.sigmaE, found.reml.sigmaE],
      ["icc", found.icc, found.reml.icc],
      ...found.contrasts.map((one, i) => [["expected at A", "expected at B", "B less A"][i], one,
        found.reml.known ? found.reml.contrasts[i] : NaN]),
    ];
    const head = make("tr");
    for (const name of ["quantity", "posterior mean", "sd", "95% interval", "REML"]) {
      head.append(make("th", { scope: "col", textContent: name }));
    }
    const body = make("tbody");
    for (const [name, one, other] of rows) {
      const line = make("tr", {}, make("th", { scope: "row", textContent: name }),
        ...[one.mean, one.sd].map((value) => cell("td", to(value, one.sd))),
        cell("td", `[${to(one.lower, one.sd)}, ${to(one.upper, one.sd)}]`),
        cell("td", to(other, one.sd)));
      body.append(line);
    }
    return make("table", {}, make("thead", {}, head), body);
  };

  const caterpillar = (found) => {
    const [width, height, left] = [700, 300, 50];
    const order = found.groups.map((_, i) => i).sort((a, b) => found.effects[a].mean - found.effects[b].mean);
    const ends = found.effects.map(({ mean, sd }) => [mean - 1.96 * sd, mean + 1.96 * sd]);
    const low = Math.min(...ends.map((one) => one[0]));
    const high = Math.max(...ends.map((one) => one[1]));
    const y = (value) => 10 + ((high - value) / (high - low || 1)) * (height - 20);
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "live-picture",
      "aria-label": `Effects of ${found.groups.length} ${model.group} in order, with 95 % intervals` });
    const step = (width - left - 10) / order.length;
    order.forEach((i, place) => {
      const x = left + step * (place + 0.5);
      const j = found.groups[i];
      const group = draw("g", { class: ends[i][0] > 0 || ends[i][1] < 0 ? "apart" : "near" });
      group.append(
        draw("line", { x1: x, x2: x, y1: y(ends[i][0]), y2: y(ends[i][1]) }),
        draw("circle", { cx: x, cy: y(found.effects[i].mean), r: Math.min(3, 1 + step / 3) }),
      );
      const title = draw("title", {});
      title.textContent = `${model.labels[j]}: ${number(found.effects[i].mean)} (click to omit)`;
      group.append(title);
      group.addEventListener("click", () => toggle(j, true));
      svg.append(group);
    });
    svg.append(draw("line", { class: "zero", x1: left, x2: width - 10, y1: y(0), y2: y(0) }));
    for (const value of [low, 0, high]) {
      const text = draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" });
      text.textContent = number(value, 2);
      svg.append(text);
    }
    return svg;
  };

  const contrastsOf = (kept) => {
    const [a, b] = state.profiles.map((one) => kept.map((k) => rowOf(model, one)[k]));
    return [a, b, b.map((value, i) => value - a[i])];
  };

  const settingOf = () => {
    const dropped = [...state.dropped];
    const kept = model.terms.map((_, k) => k).filter((k) => !state.dropped.has(k));
    const priors = { sigma_u: state.family === original.family && scale.value === "0" ? original
      : priorOf(state.family, state.scale), sigma_e: model.priors.sigma_e };
    return { dropped, excluded: [...state.excluded], priors, contrasts: contrastsOf(kept) };
  };

  const show = () => {
    describe();
    const found = livePosterior.solve(model, settingOf(), 0.95);
    const share = (value) => `${number(100 * value, 2)} %`;
    const changes = [
      state.dropped.size && `without ${[...state.dropped].map((k) => model.terms[k]).join(", ")}`,
      state.excluded.size && `without ${state.excluded.size} of ${model.labels.length} groups`,
    ].filter(Boolean);
    sentence.textContent =
      `Of the variance of ${model.outcome}${changes.length ? ` (${changes.join("; ")})` : ""}, given the predictors, ` +
      `${share(found.icc.mean)} (${share(found.icc.lower)} to ${share(found.icc.upper)}) lies between groups ` +
      `(${model.group}); by REML ${share(found.reml.icc)}. ${found.n.toLocaleString("en")} rows, ` +
      `${found.groups.length} groups.`;
    results.replaceChildren(tableOf(found));
    picture.replaceChildren(caterpillar(found),
      make("figcaption", { textContent: `Effects of ${model.group} with 95 % intervals, in order; those whose interval excludes zero are darker.` }));
    groups.firstChild.textContent = `Groups in the model: ${found.groups.length} of ${model.labels.length}`;
    box.dataset.state = JSON.stringify({ setting: settingOf(), icc: found.icc.mean, sigma_u: found.sigmaU.mean });
  };

  let waiting = 0;
  const refit = () => {
    describe();
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(show);
  };
  box.hidden = false;
  show();
})();

// Expected outcomes of profiles from posterior draws, for a model that the page does not refit.
// Over groups with normal effects the mean of the inverse link is by the trapezium rule, whose error
// falls geometrically for such integrands (Trefethen & Weideman 2014, SIAM Review 56(3)).
const liveDraws = (() => {
  const INVERSE = {
    identity: (eta) => eta,
    log: Math.exp,
    logit: (eta) => 1 / (1 + Math.exp(-eta)),
    probit: liveTools.normal,
    cloglog: (eta) => -Math.expm1(-Math.exp(eta)),
  };
  const [AVERAGED, ZERO] = [-1, -2];

  const averageOf = (link, eta, variance) => {
    if (link === "identity" || !variance) return INVERSE[link](eta);
    if (link === "log") return Math.exp(eta + variance / 2);
    if (link === "probit") return INVERSE.probit(eta / Math.sqrt(1 + variance));
    const sd = Math.sqrt(variance);
    const many = Math.ceil(17 / Math.min(0.25, 0.5 / sd));
    let [sum, total] = [0, 0];
    for (let i = 0; i <= many; i += 1) {
      const at = -8.5 + (17 * i) / many;
      const weight = Math.exp((-at * at) / 2);
      sum += weight * INVERSE[link](eta + sd * at);
      total += weight;
    }
    return sum / total;
  };

  // Mean, sd and equal-tailed interval of draws; quantiles by linear interpolation.
  const summarise = (draws, prob) => {
    const sorted = Float64Array.from(draws).sort();
    const n = sorted.length;
    const mean = sorted.reduce((sum, one) => sum + one, 0) / n;
    const square = sorted.reduce((sum, one) => sum + (one - mean) ** 2, 0);
    const at = (probability) => {
      const place = probability * (n - 1);
      const low = Math.floor(place);
      return sorted[low] + (place - low) * (sorted[Math.min(low + 1, n - 1)] - sorted[low]);
    };
    const tail = (1 - prob) / 2;
    return { mean, sd: Math.sqrt(square / (n - 1)), lower: at(tail), upper: at(1 - tail),
             positive: sorted.filter((one) => one > 0).length / n };
  };

  // setting: {profiles: [values of the columns of A, of B], groups: the choice of each factor for A
  // and for B: -1 averages over groups, -2 is an effect of zero, others are places of groups}
  const solve = (model, setting, prob = 0.95) => {
    const rows = setting.profiles.map((one) => liveTools.rowOf(model, one));
    const values = [[], []];
    const ratios = [];
    model.beta.forEach((beta, s) => {
      rows.forEach((row, side) => {
        let eta = row.reduce((sum, one, k) => sum + one * beta[k], 0);
        let variance = 0;
        model.factors.forEach((factor, f) => {
          const choice = setting.groups[side][f];
          if (choice === ZERO) return;
          const z = factor.effects.map((k) => row[k]);
          if (choice === AVERAGED) {
            z.forEach((a, i) => z.forEach((b, j) => {
              const [high, low] = i > j ? [i, j] : [j, i];
              variance += a * b * factor.covariance[s][(high * (high + 1)) / 2 + low];
            }));
          } else z.forEach((a, i) => { eta += a * factor.u[s][choice * z.length + i]; });
        });
        values[side].push(averageOf(model.link, eta, variance));
      });
      ratios.push(Math.exp(rows[1].reduce((sum, one, k) => sum + (one - rows[0][k]) * beta[k], 0)));
    });
    const same = setting.groups[0].every((one, f) => one === setting.groups[1][f]);
    return {
      a: summarise(values[0], prob),
      b: summarise(values[1], prob),
      difference: summarise(values[1].map((one, s) => one - values[0][s]), prob),
      ratio: model.link === "identity" ? null
        : summarise(values[1].map((one, s) => one / values[0][s]), prob),
      coefficients: model.ratio && same ? summarise(ratios, prob) : null,
    };
  };

  return { solve, AVERAGED, ZERO };
})();

(() => {
  const box = document.getElementById("live");
  if (!box) return;
  const model = JSON.parse(document.getElementById("live-model").textContent);
  const { make, to, startOf, profileTable } = liveTools;
  const state = {
    profiles: startOf(model),
    groups: [0, 1].map(() => model.factors.map(() => liveDraws.AVERAGED)),
  };

  const choosers = model.factors.map((factor, f) => {
    const line = make("tr", {}, make("th", { scope: "row", textContent: factor.name }));
    state.groups.forEach((choice, side) => {
      const select = make("select", { name: `factor-${side}-${f}`,
        ariaLabel: `${factor.name} of profile ${"AB"[side]}` });
      const add = (value, text) => select.append(make("option", { value, textContent: text }));
      add(liveDraws.AVERAGED, "a new one");
      add(liveDraws.ZERO, "zero effects");
      factor.labels.forEach((label, j) => add(j, label));
      select.addEventListener("change", () => {
        choice[f] = Number(select.value);
        show();
      });
      line.append(make("td", {}, select));
    });
    return line;
  });

  const sentence = make("p", { className: "live-answer" });
  sentence.setAttribute("role", "status");
  const results = make("div", { className: "table" });
  results.tabIndex = 0;

  const show = () => {
    const found = liveDraws.solve(model, state);
    const lines = [
      ["expected at A", found.a],
      ["expected at B", found.b],
      ["B less A", found.difference],
      ["B over A", found.ratio],
      [`${model.ratio}, B to A, in one group`, found.coefficients],
    ].filter(([, one]) => one);
    const head = make("tr");
    for (const name of ["quantity", "posterior mean", "sd", "95% interval"])
      head.append(make("th", { scope: "col", textContent: name }));
    const body = make("tbody");
    for (const [name, one] of lines)
      body.append(make("tr", {}, make("th", { scope: "row", textContent: name }),
        ...[one.mean, one.sd].map((value) => make("td", { textContent: to(value, one.sd) })),
        make("td", { textContent: `[${to(one.lower, one.sd)}, ${to(one.upper, one.sd)}]` })));
    results.replaceChildren(make("table", {}, make("thead", {}, head), body));
    const { difference } = found;
    const share = Math.round(100 * difference.positive);
    sentence.textContent = `The ${model.outcome} is ` +
      `${to(Math.abs(difference.mean), difference.sd)} ${difference.mean < 0 ? "lower" : "higher"} at B than at A ` +
      `(difference ${to(difference.lower, difference.sd)} to ${to(difference.upper, difference.sd)}); ` +
      `it is higher at B in ${share} % of the draws.`;
    box.dataset.state = JSON.stringify({ setting: state, difference: difference.mean });
  };

  const controls = make("form", { className: "live-controls" },
    profileTable(model, state.profiles, choosers, show));
  controls.addEventListener("submit", (event) => event.preventDefault());
  box.append(controls, sentence, results);
  box.hidden = false;
  show();
})();

// Posterior and REML estimate of a Gaussian model with random intercepts, from the sums of each
// group. With theta = sigma_u / sigma_e, w_j = 1 / (1 + n_j theta^2) and the sums W_j (scatter) and
// m_j (mean) of the columns [X, y] of group j, the likelihood needs S = sum W_j + n_j w_j m_j m_j'.
// The plane (log theta, log sigma_e) is integrated by the trapezium rule, whose error falls
// geometrically for such densities (Trefethen & Weideman 2014, SIAM Review 56(3)); coefficients and
// group effects are normal at each of its points.
const livePosterior = (() => {
  const { normal } = liveTools;
  const LOG_2PI = Math.log(2 * Math.PI);

  const logGamma = (x) => {
    // Stirling's series from 10 on (Abramowitz & Stegun 6.1.41).
    let shift = 0;
    let at = x;
    for (; at < 10; at += 1) shift -= Math.log(at);
    const r = 1 / (at * at);
    const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r / 1680))) / at;
    return shift + (at - 0.5) * Math.log(at) - at + 0.5 * LOG_2PI + series;
  };

  // Log densities of the priors that an sd may have here.
  const PRIORS = {
    HalfNormal: (x, { sigma }) =>
      Math.log(2 / sigma) - 0.5 * LOG_2PI - 0.5 * (x / sigma) ** 2,
    HalfCauchy: (x, { beta }) => Math.log(2 / (Math.PI * beta)) - Math.log1p((x / beta) ** 2),
    Exponential: (x, { lam }) => Math.log(lam) - lam * x,
    HalfStudentT: (x, { nu, sigma }) =>
      Math.log(2 / sigma) +
      logGamma((nu + 1) / 2) -
      logGamma(nu / 2) -
      0.5 * Math.log(nu * Math.PI) -
      ((nu + 1) / 2) * Math.log1p((x / sigma) ** 2 / nu),
    Flat: () => 0,
  };

  // Lower Cholesky factor of a k x k matrix in place; NaN where it is not positive definite. With a
  // tolerance a column that depends on those before has an infinite pivot, which makes its
  // coefficient zero.
  const factorise = (a, k, tolerance = 0) => {
    for (let i = 0; i < k; i += 1) {
      const least = tolerance * a[i * k + i];
      for (let j = 0; j <= i; j += 1) {
        let sum = a[i * k + j];
        for (let l = 0; l < j; l += 1) sum -= a[i * k + l] * a[j * k + l];
        if (i !== j) a[i * k + j] = sum / a[j * k + j];
        else a[i * k + i] = tolerance && sum <= least ? Infinity : Math.sqrt(sum);
      }
    }
    return a;
  };

  const solveLower = (l, k, b) => {
    for (let i = 0; i < k; i += 1) {
      let sum = b[i];
      for (let j = 0; j < i; j += 1) sum -= l[i * k + j] * b[j];
      b[i] = sum / l[i * k + i];
    }
    return b;
  };

  const solveUpper = (l, k, b) => {
    for (let i = k - 1; i >= 0; i -= 1) {
      let sum = b[i];
      for (let j = i + 1; j < k; j += 1) sum -= l[j * k + i] * b[j];
      b[i] = sum / l[i * k + i];
    }
    return b;
  };

  const inverse = (l, k) => {
    const out = new Float64Array(k * k);
    for (let i = 0; i < k; i += 1) {
      const unit = new Float64Array(k);
      unit[i] = 1;
      out.set(solveUpper(l, k, solveLower(l, k, unit)), i * k);
    }
    return out;
  };

  // The groups and columns that a setting keeps, centred at the means of all rows.
  const prepare = (model, setting) => {
    const all = model.terms.length;
    const kept = model.terms.map((_, k) => k).filter((k) => !setting.dropped.includes(k));
    const columns = [...kept, all];
    const p = kept.length;
    const k = p + 1;
    const constant = kept.indexOf(model.intercept);
    const groups = model.counts.map((_, j) => j).filter((j) => !setting.excluded.includes(j));
    const counts = Float64Array.from(groups, (j) => model.counts[j]);
    // Means of the columns are over the whole data, where the intercept's prior is stated.
    const origin = columns.map((c) => (c === model.intercept ? 0 : model.overall[c]));
    if (constant < 0) origin.fill(0);
    const means = new Float64Array(groups.length * k);
    const within = new Float64Array(k * k);
    const level = constant < 0 ? 0 : origin[p];
    groups.forEach((j, row) => {
      columns.forEach((c, i) => {
        means[row * k + i] = model.means[j][c] - origin[i];
      });
      columns.forEach((c, i) =>
        columns.forEach((d, l) => {
          const [high, low] = c > d ? [c, d] : [d, c];
          within[i * k + l] += model.scatter[j][(high * (high + 1)) / 2 + low];
        }),
      );
    });
    const n = counts.reduce((sum, one) => sum + one, 0);
    const prior = kept.map((c) => model.priors.beta[c]);
    const precision = prior.map((one) => (one ? 1 / one.sigma ** 2 : 0));
    // The intercept of centred columns, less the level that y was centred by.
    const centre = prior.map((one, i) => (one ? one.mu - (i === constant ? level : 0) : 0));
    return { model, kept, groups, p, k, n, counts, means, within, origin, constant, level,
             precision, centre, priors: setting.priors };
  };

  // S at theta, and the sum of log(1 + n_j theta^2).
  const sumsAt = (data, theta) => {
    const { k, counts, means, within } = data;
    const sums = Float64Array.from(within);
    let logs = 0;
    for (let j = 0; j < counts.length; j += 1) {
      const more = counts[j] * theta * theta;
      const weight = counts[j] / (1 + more);
      logs += Math.log1p(more);
      for (let a = 0; a < k; a += 1) {
        const scaled = weight * means[j * k + a];
        for (let b = 0; b <= a; b += 1) sums[a * k + b] += scaled * means[j * k + b];
      }
    }
    for (let a = 0; a < k; a += 1)
      for (let b = 0; b < a; b += 1) sums[b * k + a] = sums[a * k + b];
    return { sums, logs };
  };

  const leading = (sums, k, p) => {
    const a = new Float64Array(p * p);
    for (let i = 0; i < p; i += 1) for (let j = 0; j < p; j += 1) a[i * p + j] = sums[i * k + j];
    return a;
  };

  // Generalised least squares at theta: coefficients, residual sum of squares, log |X'V^-1 X|.
  const leastSquares = (data, theta) => {
    const { k, p } = data;
    const { sums, logs } = sumsAt(data, theta);
    const l = factorise(leading(sums, k, p), p, 1e-10);
    const half = solveLower(l, p, Float64Array.from({ length: p }, (_, i) => sums[i * k + p]));
    let rss = sums[p * k + p];
    let logdet = 0;
    let rank = 0;
    for (let i = 0; i < p; i += 1) {
      if (l[i * p + i] === Infinity) continue;
      rank += 1;
      rss -= half[i] * half[i];
      logdet += 2 * Math.log(l[i * p + i]);
    }
    const beta = solveUpper(l, p, half);
    return { rss: Math.max(rss, 1e-300), logdet, logs, sums, beta, rank };
  };

  // The point of [low, high] where a function with one maximum is largest.
  const largest = (f, low, high) => {
    const ratio = (Math.sqrt(5) - 1) / 2;
    let [a, b] = [low, high];
    let [c, d] = [b - ratio * (b - a), a + ratio * (b - a)];
    let [fc, fd] = [f(c), f(d)];
    while (b - a > 1e-9) {
      if (fc >= fd) {
        [b, d, fd] = [d, c, fc];
        c = b - ratio * (b - a);
        fc = f(c);
      } else {
        [a, c, fc] = [c, d, fd];
        d = a + ratio * (b - a);
        fd = f(d);
      }
    }
    return (a + b) / 2;
  };

  const scan = (f, low, high, many) => {
    let best = low;
    let top = -Infinity;
    for (let i = 0; i <= many; i += 1) {
      const at = low + ((high - low) * i) / many;
      const value = f(at);
      if (value > top) [best, top] = [at, value];
    }
    const step = (high - low) / many;
    return largest(f, best - step, best + step);
  };

  const effectsAt = (data, theta, beta, variances) => {
    const { k, p, counts, means } = data;
    const mean = new Float64Array(counts.length);
    const variance = new Float64Array(counts.length);
    for (let j = 0; j < counts.length; j += 1) {
      const more = counts[j] * theta * theta;
      const shrink = more / (1 + more);
      let residual = means[j * k + p];
      let spread = 0;
      for (let a = 0; a < p; a += 1) {
        residual -= means[j * k + a] * beta[a];
        for (let b = 0; b < p; b += 1)
          spread += means[j * k + a] * variances.beta[a * p + b] * means[j * k + b];
      }
      mean[j] = shrink * residual;
      variance[j] = variances.u * (1 - shrink) + shrink * shrink * spread;
    }
    return { mean, variance };
  };

  // Coefficients of centred columns to those of the columns as they are.
  const uncentre = (data, beta) => {
    const out = Array.from(beta);
    if (data.constant < 0) return out;
    out[data.constant] += data.level;
    for (let i = 0; i < data.p; i += 1)
      if (i !== data.constant) out[data.constant] -= data.origin[i] * beta[i];
    return out;
  };

  // Weights of coefficients as they are, as weights of those of centred columns.
  const centred = (data, weights) =>
    weights.map((one, i) =>
      data.constant < 0 || i === data.constant ? one : one - weights[data.constant] * data.origin[i],
    );

  const reml = (data, contrasts) => {
    const degrees = data.n - leastSquares(data, 1).rank;
    const value = (theta) => {
      const { rss, logdet, logs } = leastSquares(data, theta);
      const found = -0.5 * (degrees * (LOG_2PI + Math.log(rss / degrees) + 1) + logs + logdet);
      return Number.isNaN(found) ? -Infinity : found;
    };
    const most = Math.exp(scan((at) => value(Math.exp(at)), -14, 10, 120));
    const theta = value(0) >= value(most) - 1e-12 ? 0 : most;
    const { rss, beta, rank } = leastSquares(data, theta);
    const sigmaE = Math.sqrt(rss / degrees);
    return {
      sigmaU: theta * sigmaE,
      sigmaE,
      icc: theta ** 2 / (1 + theta ** 2),
      loglik: value(theta),
      known: rank === data.p,
      beta: uncentre(data, beta),
      contrasts: contrasts.map((one) =>
        one.reduce((sum, weight, i) => sum + weight * uncentre(data, beta)[i], 0),
      ),
      effects: effectsAt(data, theta, beta, { u: 0, beta: new Float64Array(data.p ** 2) }).mean,
    };
  };

  // One point of the plane: log density in (log theta, log sigma_e), coefficients, factor.
  const pointOf = (data, at, theta, sigmaE) => {
    const { k, p, n, precision, centre, priors } = data;
    const scale = 1 / (sigmaE * sigmaE);
    const a = leading(at.sums, k, p);
    const b = new Float64Array(p);
    let constant = scale * at.sums[p * k + p];
    let logs = -n * Math.log(sigmaE) - 0.5 * at.logs - 0.5 * n * LOG_2PI;
    for (let i = 0; i < p; i += 1) {
      for (let j = 0; j < p; j += 1) a[i * p + j] *= scale;
      a[i * p + i] += precision[i];
      b[i] = scale * at.sums[i * k + p] + precision[i] * centre[i];
      constant += precision[i] * centre[i] ** 2;
      logs += precision[i] ? 0.5 * Math.log(precision[i]) : 0.5 * LOG_2PI;
    }
    const l = factorise(a, p);
    const half = solveLower(l, p, b);
    for (let i = 0; i < p; i += 1) {
      constant -= half[i] * half[i];
      logs -= Math.log(l[i * p + i]);
    }
    const sigmaU = theta * sigmaE;
    const density =
      logs - 0.5 * constant +
      PRIORS[priors.sigma_u.family](sigmaU, priors.sigma_u) +
      PRIORS[priors.sigma_e.family](sigmaE, priors.sigma_e) +
      Math.log(sigmaU) + Math.log(sigmaE);
    return { density: Number.isNaN(density) ? -Infinity : density, half, l };
  };

  const lineOf = (data, logTheta, many) => {
    const theta = Math.exp(logTheta);
    const at = sumsAt(data, theta);
    const { rss, rank } = leastSquares(data, theta);
    const degrees = Math.max(data.n - rank, 1);
    const level = 0.5 * Math.log(rss / degrees);
    const unit = 1 / Math.sqrt(2 * Math.max(degrees, 2));
    const points = [];
    for (let i = 0; i <= many; i += 1) {
      const sigmaE = Math.exp(level + unit * (-9 + (23 * i) / many));
      points.push({ sigmaE, theta, ...pointOf(data, at, theta, sigmaE) });
    }
    const top = Math.max(...points.map((one) => one.density));
    let sum = 0;
    for (const one of points) sum += Math.exp(one.density - top);
    return { points, log: top + Math.log((sum * unit * 23) / many), logTheta };
  };

  // Points with weights that sum to one, and the log marginal likelihood.
  const integrate = (data, fine) => {
    const along = Math.round(40 * fine);
    const profile = (at) => lineOf(data, at, 16).log;
    const mode = scan(profile, -12, 8, 60);
    const top = profile(mode);
    const reach = (sign) => {
      let far = 0.5;
      while (far < 40 && profile(mode + sign * far) > top - 34) far *= 1.5;
      return far;
    };
    const [low, high] = [mode - reach(-1), mode + reach(1)];
    // The spacing is bounded by the width of the hill, and by the strip about the real line in which
    // the integrand is bounded: a normal prior of sigma_u is so up to pi / 4, and exp(-pi^2 / 0.4)
    // is 2e-11.
    const bend = (2 * top - profile(mode - 0.05) - profile(mode + 0.05)) / 0.0025;
    const widest = Math.min(0.2, 0.4 / Math.sqrt(Math.max(bend, 1e-6))) / fine;
    const across = Math.min(600, Math.ceil((high - low) / widest));
    const lines = [];
    for (let i = 0; i <= across; i += 1)
      lines.push(lineOf(data, low + ((high - low) * i) / across, along));
    const most = Math.max(...lines.map((one) => one.log));
    const step = (high - low) / across;
    const total = lines.reduce((sum, one) => sum + Math.exp(one.log - most), 0);
    const points = [];
    for (const line of lines) {
      const of = Math.exp(line.log - most) / total;
      if (of < 1e-13) continue;
      const best = Math.max(...line.points.map((one) => one.density));
      const mass = line.points.reduce((sum, one) => sum + Math.exp(one.density - best), 0);
      for (const one of line.points) {
        const weight = (of * Math.exp(one.density - best)) / mass;
        if (weight > 1e-13) points.push({ ...one, weight });
      }
    }
    return { points, lines, step, log: most + Math.log(total * step) };
  };

  // The point where a rising function reaches a probability.
  const invert = (f, low, high, probability) => {
    let [a, b] = [low, high];
    for (let i = 0; i < 60; i += 1) {
      const middle = (a + b) / 2;
      if (f(middle) < probability) a = middle;
      else b = middle;
    }
    return (a + b) / 2;
  };

  // Mean, sd and equal-tailed interval of a mixture of normals.
  const summarise = (parts, prob) => {
    let mean = 0;
    let square = 0;
    for (const [weight, centre] of parts) mean += weight * centre;
    for (const [weight, centre, variance] of parts)
      square += weight * (variance + (centre - mean) ** 2);
    const sd = Math.sqrt(square);
    // Points of little weight are joined, since an interval needs few digits.
    const bins = new Map();
    for (const [weight, centre, variance] of parts) {
      const place = `${Math.round((20 * (centre - mean)) / sd)},${Math.round(40 * Math.log(variance))}`;
      const bin = bins.get(place) ?? [0, 0, 0];
      bin[0] += weight;
      bin[1] += weight * centre;
      bin[2] += weight * variance;
      bins.set(place, bin);
    }
    const few = [...bins.values()].map(([w, c, v]) => [w, c / w, Math.sqrt(v / w)]);
    const below = (x) => {
      let sum = 0;
      for (const [weight, centre, spread] of few) sum += weight * normal((x - centre) / spread);
      return sum;
    };
    const [low, high] = [mean - 9 * sd, mean + 9 * sd];
    const tail = (1 - prob) / 2;
    return { mean, sd, lower: invert(below, low, high, tail), upper: invert(below, low, high, 1 - tail),
             positive: 1 - below(0) };
  };

  // Mean, sd and equal-tailed interval of a number that each point has, given by its values.
  const summarisePoints = (points, of, prob) => {
    const pairs = points.map((one) => [of(one), one.weight]).sort((x, y) => x[0] - y[0]);
    const mean = pairs.reduce((sum, [value, weight]) => sum + weight * value, 0);
    const square = pairs.reduce((sum, [value, weight]) => sum + weight * (value - mean) ** 2, 0);
    // The share below a value counts half of the value's own weight.
    const at = (probability) => {
      let [value, share] = [pairs[0][0], pairs[0][1] / 2];
      for (let i = 1; i < pairs.length; i += 1) {
        const next = share + (pairs[i - 1][1] + pairs[i][1]) / 2;
        if (next >= probability)
          return value + ((pairs[i][0] - value) * (probability - share)) / (next - share || 1);
        [value, share] = [pairs[i][0], next];
      }
      return value;
    };
    const tail = (1 - prob) / 2;
    return { mean, sd: Math.sqrt(square), lower: at(tail), upper: at(1 - tail) };
  };

  // setting: {dropped, excluded, priors: {sigma_u, sigma_e}, contrasts: [weights of the kept terms]}
  const solve = (model, setting, prob = 0.95, fine = 1) => {
    const data = prepare(model, setting);
    const { p, counts } = data;
    const { points, log } = integrate(data, fine);
    const weights = [
      ...Array.from({ length: p }, (_, i) => data.kept.map((_, j) => (i === j ? 1 : 0))),
      ...(setting.contrasts ?? []),
    ].map((one) => centred(data, one));
    const constants = weights.map((one, i) =>
      data.constant < 0 ? 0 : one[data.constant] * data.level,
    );
    const mixtures = weights.map(() => []);
    const sums = Array.from({ length: counts.length }, () => [0, 0]);
    for (const point of points) {
      const beta = solveUpper(point.l, p, Float64Array.from(point.half));
      weights.forEach((one, i) => {
        const solved = solveLower(point.l, p, Float64Array.from(one));
        const centre = one.reduce((sum, w, a) => sum + w * beta[a], constants[i]);
        mixtures[i].push([point.weight, centre, solved.reduce((sum, w) => sum + w * w, 0)]);
      });
      if (point.weight < 1e-9) continue;
      const variances = { u: (point.theta * point.sigmaE) ** 2, beta: inverse(point.l, p) };
      const { mean, variance } = effectsAt(data, point.theta, beta, variances);
      for (let j = 0; j < counts.length; j += 1) {
        sums[j][0] += point.weight * mean[j];
        sums[j][1] += point.weight * (variance[j] + mean[j] * mean[j]);
      }
    }
    const found = mixtures.map((one) => summarise(one, prob));
    return {
      terms: data.kept.map((c) => model.terms[c]),
      groups: data.groups,
      n: data.n,
      beta: found.slice(0, p),
      contrasts: found.slice(p),
      sigmaU: summarisePoints(points, (one) => one.theta * one.sigmaE, prob),
      sigmaE: summarisePoints(points, (one) => one.sigmaE, prob),
      icc: summarisePoints(points, (one) => one.theta ** 2 / (1 + one.theta ** 2), prob),
      effects: sums.map(([mean, square]) => ({ mean, sd: Math.sqrt(Math.max(square - mean * mean, 0)) })),
      logMarginal: log,
      reml: reml(data, setting.contrasts ?? []),
    };
  };

  return { solve, PRIORS };
})();

"use strict";
// What the scripts of a section that computes have in common: elements, numbers, profiles.
const liveTools = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const signed = (text) => text.replace("-", "−");
  const number = (value, digits = 3) => signed(Number(value.toPrecision(digits)).toString());
  // Decimals of two digits of an sd.
  const decimalsOf = (sd) => (sd > 0 ? Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(sd)))) : 3);
  const to = (value, sd) => {
    if (!Number.isFinite(value)) return "–";
    return signed(value.toFixed(decimalsOf(sd)));
  };

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const draw = (tag, attributes) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  // Standard normal probability (West 2005, Wilmott Magazine; Hart's rational function).
  const normal = (x) => {
    const z = Math.abs(x);
    if (z > 37) return x > 0 ? 1 : 0;
    const e = Math.exp((-z * z) / 2);
    let tail;
    if (z < 7.07106781186547) {
      const top = ((((((3.52624965998911e-2 * z + 0.700383064443688) * z + 6.37396220353165) * z
        + 33.912866078383) * z + 112.079291497871) * z + 221.213596169931) * z + 220.206867912376);
      const low = (((((((8.83883476483184e-2 * z + 1.75566716318264) * z + 16.064177579207) * z
        + 86.7807322029461) * z + 296.564248779674) * z + 637.333633378831) * z
        + 793.826512519948) * z + 440.413735824752);
      tail = (e * top) / low;
    } else {
      tail = e / (z + 1 / (z + 2 / (z + 3 / (z + 4 / (z + 0.65))))) / 2.506628274631;
    }
    return x > 0 ? 1 - tail : tail;
  };

  // Columns that a reader sets as numbers: all but the intercept, products of others and categories.
  const inputsOf = (model) => {
    const chosen = new Set(model.categories.flatMap((one) => one.places));
    return model.terms.map((_, k) => k)
      .filter((k) => k !== model.intercept && !model.products[k] && !chosen.has(k));
  };

  // Put a profile into a category: its column is one and those of the others are zero.
  const choose = (profile, category, level) =>
    category.places.forEach((k, place) => { if (k >= 0) profile[k] = place === level ? 1 : 0; });

  // Two profiles at the means of the columns, in the first categories.
  const startOf = (model) =>
    [0, 1].map(() => {
      const profile = model.overall.slice();
      model.categories.forEach((one) => choose(profile, one, 0));
      return profile;
    });

  const rowOf = (model, profile) =>
    model.terms.map((_, k) => {
      if (k === model.intercept) return 1;
      const parts = model.products[k];
      return parts ? parts.reduce((all, one) => all * profile[one], 1) : profile[k];
    });

  // A table with a number field for each column of profiles A and B, and further lines after them.
  const profileTable = (model, profiles, lines, changed) => {
    const inputs = inputsOf(model);
    const head = make("tr", {}, make("th", { scope: "col", textContent: "predictor" }));
    for (const name of ["A", "B"]) head.append(make("th", { scope: "col", textContent: name }));
    const body = make("tbody");
    for (const k of inputs) {
      const line = make("tr", {}, make("th", { scope: "row", textContent: model.terms[k] }));
      profiles.forEach((values, place) => {
        if (place === 1 && k === inputs[0]) values[k] += 1;
        values[k] = Number(values[k].toFixed(decimalsOf(model.sd[k])));
        const field = make("input", {
          type: "number", step: "any", value: values[k], name: `profile-${place}-${k}`,
          ariaLabel: `${model.terms[k]} of profile ${"AB"[place]}`,
        });
        field.addEventListener("input", () => {
          const value = Number(field.value);
          if (field.value !== "" && Number.isFinite(value)) {
            values[k] = value;
            changed();
          }
        });
        line.append(make("td", {}, field));
      });
      body.append(line);
    }
    for (const category of model.categories) {
      const line = make("tr", {}, make("th", { scope: "row", textContent: category.name }));
      profiles.forEach((values, place) => {
        const select = make("select", { name: `category-${place}-${category.name}`,
          ariaLabel: `${category.name} of profile ${"AB"[place]}` });
        category.levels.forEach((text, level) =>
          select.append(make("option", { value: level, textContent: text })));
        select.addEventListener("change", () => {
          choose(values, category, Number(select.value));
          changed();
        });
        line.append(make("td", {}, select));
      });
      body.append(line);
    }
    body.append(...lines);
    return make("fieldset", {}, make("legend", { textContent: "Two profiles to compare" }),
      make("table", {}, make("thead", {}, head), body));
  };

  return { make, draw, number, to, decimalsOf, normal, inputsOf, startOf, rowOf, profileTable };
})();

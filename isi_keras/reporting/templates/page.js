"use strict";
(() => {
  const PAGE = 24;
  const DISTANCES = { l0_feature: "inputs changed", l0_position: "positions changed", l2: "L2 distance", linf: "L\u221e distance" };
  const SORTS = { index: "number", steps: "steps", ...DISTANCES };
  const source = document.getElementById("data");
  const results = JSON.parse(source.textContent).results;
  const form = document.getElementById("filters");
  if (!form || !results.length) return;
  const field = form.elements;
  const byId = (id) => document.getElementById(id);
  const state = { result: results[0], found: [], shown: PAGE, place: 0, map: "", over: false };

  /** An element with properties and children; text is only ever text. */
  const make = (tag, properties = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in node && name !== "list") node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };
  const said = (value) => (value === null || value === undefined ? "\u2014" : String(+Number(value).toPrecision(4)).replace("-", "\u2212"));
  const has = (name) => name in state.result.columns;
  const at = (name, row) => (has(name) ? state.result.columns[name][row] : undefined);
  const named = (number) => (number < 0 ? "none" : state.result.classes[String(number)] ?? String(number));
  const word = (name, row) => state.result.texts[name][at(name, row)];
  const depth = (row) => state.result.depth[String(state.result.index[row])];
  const unique = (values) => [...new Set(values)].sort((a, b) => a - b);

  const options = (select, pairs) => {
    const kept = select.value;
    select.replaceChildren(...pairs.map(([value, text]) => make("option", { value: String(value), textContent: text })));
    if (pairs.some(([value]) => String(value) === kept)) select.value = kept;
  };

  /** Fills the controls with what the chosen result has, and hides the others. */
  const setUp = () => {
    const any = [["", "any"]];
    for (const name of ["clean", "final", "target"]) {
      options(field[name], any.concat(has(name) ? unique(state.result.columns[name]).map((n) => [n, named(n)]) : []));
    }
    for (const name of ["stop", "attack"]) {
      options(field[name], any.concat((state.result.texts[name] ?? []).map((text, code) => [code, text])));
    }
    const measures = Object.keys(DISTANCES).filter(has);
    options(field.distance, measures.map((name) => [name, DISTANCES[name]]));
    const sorts = Object.keys(SORTS).filter((name) => name === "index" || has(name));
    options(field.sort, sorts.flatMap((name) => [[`${name} up`, `${SORTS[name]}, ascending`], [`${name} down`, `${SORTS[name]}, descending`]]));
    for (const label of form.querySelectorAll("[data-for]")) {
      const name = label.dataset.for;
      label.hidden = name === "distance" ? !measures.length : !has(name);
    }
  };

  const wanted = () => {
    const equal = ["clean", "final", "target", "outcome", "stop", "attack"]
      .filter((name) => has(name) && field[name].value !== "")
      .map((name) => [name, Number(field[name].value)]);
    const least = field.least.value === "" ? -Infinity : Number(field.least.value);
    const most = field.most.value === "" ? Infinity : Number(field.most.value);
    return { equal, least, most, measure: field.distance.value, pictured: field.pictured.checked };
  };

  const fits = (row, want) => {
    if (want.equal.some(([name, value]) => at(name, row) !== value)) return false;
    if (want.least === -Infinity && want.most === Infinity) return true;
    const far = at(want.measure, row);
    return far !== null && far !== undefined && far >= want.least && far <= want.most;
  };

  const sorted = (rows, how) => {
    const [name, way] = how.split(" ");
    const value = (row) => (name === "index" ? state.result.index[row] : at(name, row)) ?? Infinity;
    const sign = way === "down" ? -1 : 1;
    return rows.sort((a, b) => sign * (value(a) - value(b)) || a - b);
  };

  const smooth = (node, width) => { if (width > 96) node.classList.add("smooth"); return node; };
  const picture = (uri, alt) => {
    const image = make("img", { src: uri, alt, decoding: "async" });
    image.addEventListener("load", () => smooth(image, image.naturalWidth));
    return image;
  };

  const change = (row) => (has("final") ? `${named(at("clean", row))} \u2192 ${named(at("final", row))}` : named(at("clean", row)));
  const facts = (row) => {
    const outcome = { 1: "turned", 0: "not turned", "-1": "not attacked" }[at("outcome", row)];
    const measure = field.distance.value;
    const far = has(measure) && at(measure, row) !== null ? `${DISTANCES[measure]}: ${said(at(measure, row))}` : "";
    const steps = has("steps") ? `${at("steps", row)} step${at("steps", row) === 1 ? "" : "s"}` : "";
    return [outcome, far, steps].filter(Boolean).join("; ");
  };

  const card = (row, place) => {
    const number = state.result.index[row];
    const found = depth(row) ?? {};
    const images = ["original", "adversarial"].filter((name) => found[name]).map((name) => picture(found[name], ""));
    const button = make("button", { type: "button" },
      images.length ? make("span", { className: "pair" }, ...images) : null,
      make("strong", { textContent: change(row) }),
      make("span", { textContent: facts(row) }),
      make("span", { className: "quiet", textContent: `sample ${number}${depth(row) ? "" : ": picture left out"}` }));
    if (place === state.place) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => { choose(place); byId("sample").scrollIntoView(); byId("sample").focus({ preventScroll: true }); });
    return make("li", {}, button);
  };

  const list = () => {
    const part = state.found.slice(0, state.shown);
    byId("cards").replaceChildren(...part.map(card));
    byId("more").hidden = state.found.length <= state.shown;
    const hidden = state.matching - state.found.length;
    byId("found").textContent = `${state.found.length} of ${state.result.index.length} samples` + (hidden ? `, ${hidden} more match but have no picture` : "") + (part.length < state.found.length ? `, ${part.length} shown` : "");
  };

  const search = () => {
    const want = wanted();
    const matching = [...state.result.index.keys()].filter((row) => fits(row, want));
    state.matching = matching.length;
    state.found = sorted(matching.filter((row) => !want.pictured || depth(row)), field.sort.value);
    state.shown = PAGE;
    state.place = 0;
    for (const button of document.querySelectorAll(".matrix button")) {
      const pressed = button.dataset.result === state.result.label && field.clean.value === button.dataset.clean && field.final.value === button.dataset.final;
      button.setAttribute("aria-pressed", String(pressed));
    }
    list();
    choose(0);
  };

  const choose = (place) => {
    state.place = Math.max(0, Math.min(place, state.found.length - 1));
    byId("previous").disabled = state.place <= 0;
    byId("next").disabled = state.place >= state.found.length - 1;
    [...byId("cards").querySelectorAll("button")].forEach((button, number) => {
      if (number === state.place) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    if (!state.found.length) {
      byId("which").textContent = "No sample fits the filters.";
      byId("panels").replaceChildren();
      return;
    }
    const row = state.found[state.place];
    byId("which").textContent = `Sample ${state.result.index[row]} of ${state.result.label}, ${state.place + 1} of ${state.found.length}: ${change(row)}; ${facts(row)}`;
    inDepth(row);
  };

  const scale = (limit) => [make("div", { className: "scale", "aria-hidden": "true" }),
    make("div", { className: "ends" }, ...[`\u2212${said(limit)}`, "0", `+${said(limit)}`].map((text) => make("span", { textContent: text })))];
  const view = (title, ...nodes) => make("figure", {}, make("figcaption", { textContent: title }), ...nodes);

  const inDepth = (row) => {
    const found = depth(row);
    const panels = byId("panels");
    panels.replaceChildren();
    if (!found) {
      panels.append(make("p", { className: "note", textContent: "Pictures and steps of this sample were left out, so that the file stays small." }));
      return;
    }
    const views = make("div", { className: "views" });
    let canvas = null;
    if (found.original) views.append(view(`Original: ${named(at("clean", row))}`, picture(found.original, `Original of sample ${state.result.index[row]}, predicted ${named(at("clean", row))}`)));
    if (found.change) views.append(view(`Change: red added, blue taken away${found.enlarged ? "; pixels drawn larger" : ""}`, picture(found.change, `What was added to each pixel, up to ${said(found.changeLimit)}`), ...scale(found.changeLimit)));
    if (found.adversarial) {
      const after = has("final") ? `Adversarial: ${named(at("final", row))}` : "Adversarial";
      const end = found.order ? (canvas = make("canvas", { role: "img", "aria-label": after })) : picture(found.adversarial, after);
      views.append(view(after, end));
    }
    if (views.children.length || found.maps.length) panels.append(views);
    maps(found, panels, views);
    const table = found.features ? features(found) : null;
    replay(found, panels, canvas, table, row);
    if (table) panels.append(table.node);
  };

  /** The maps of a sample, with a choice of indicator and whether they lie over the image. */
  const maps = (found, panels, views) => {
    if (!found.maps.length) return;
    const which = make("select", {});
    options(which, found.maps.map((map, number) => [number, map.label]));
    const over = make("input", { type: "checkbox", checked: state.over });
    const place = make("div");
    const show = () => {
      const map = found.maps[Number(which.value)];
      [state.map, state.over] = [map.label, over.checked];
      place.replaceChildren();
      if (map.why) place.append(make("p", { className: "note", textContent: map.why }));
      if (map.values && found.features === undefined) place.append(values(map));
      if (!map.picture) return;
      const image = picture(map.picture, `Map of ${map.label} for ${map.target}: ${map.said}`);
      const node = over.checked && found.original ? make("span", { className: "over" }, picture(found.original, ""), image) : image;
      place.append(view(`${map.label}: red speaks for ${map.target}, blue against`, node, ...scale(map.limit), make("p", { className: "note", textContent: map.said })));
    };
    const before = found.maps.findIndex((map) => map.label === state.map);
    which.value = String(Math.max(0, before));
    which.addEventListener("change", show);
    over.addEventListener("change", show);
    const pictured = found.maps.some((map) => map.picture);
    views.append(place);
    panels.append(make("div", { className: "controls" }, make("label", {}, "Map ", which), pictured ? make("label", { className: "check" }, over, " map over the image") : null));
    show();
  };

  const values = (map) => {
    const body = make("tbody");
    map.values.forEach((value, number) => body.append(make("tr", {}, make("th", { scope: "row", textContent: state.result.names[number] ?? `column ${number}` }), make("td", { textContent: said(value), className: value < 0 ? "negative" : "positive" }))));
    return make("table", {}, make("caption", { textContent: `${map.label} for ${map.target}` }), body);
  };

  /** The columns of a sample that is no image; `show(step)` gives them as they are after a step. */
  const features = (found) => {
    const relevance = found.maps.filter((map) => map.values && map.values.length === found.features.length);
    const ruled = found.features.some((row) => row.length > 4);
    const head = ["column", ...(ruled ? ["rule"] : []), "before", "after", "change", "step", ...relevance.map((map) => map.label)];
    const body = make("tbody");
    const show = (step) => {
      body.replaceChildren(...found.features.map(([name, before, after, when, rule], number) => {
        const done = before !== after && (step === null || when <= step);
        const by = done && before !== null && after !== null ? after - before : 0;
        const cells = [said(before), said(done ? after : before), by ? `${by > 0 ? "+" : ""}${said(by)}` : "", done && when ? String(when) : ""];
        const line = make("tr", { className: done ? "changed" : "" }, make("th", { scope: "row", textContent: name }),
          ruled ? make("td", { textContent: rule ?? "", className: "rule" }) : null,
          ...cells.map((text, column) => make("td", { textContent: text, className: column === 2 ? (by > 0 ? "positive" : "negative") : "" })),
          ...relevance.map((map) => make("td", { textContent: said(map.values[number]) })));
        return line;
      }));
    };
    const top = make("thead", {}, make("tr", {}, ...head.map((text, place) => make("th", { scope: "col", textContent: text, className: ruled && place === 1 ? "rule" : "" }))));
    const node = make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Columns of the sample" }, make("table", {}, make("caption", { textContent: "Columns: changed ones in bold" }), top, body));
    show(null);
    return { node, show };
  };

  const loaded = (uri) => new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => {
      const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      done(context.getImageData(0, 0, canvas.width, canvas.height));
    };
    image.onerror = failed;
    image.src = uri;
  });

  /** A slider over the steps: the input and the logits after each. */
  const replay = (found, panels, canvas, table, row) => {
    const steps = found.steps;
    for (const text of [found.unknown, found.why]) if (text) panels.append(make("p", { className: "note", textContent: text }));
    if (!steps) { return; }
    const moving = canvas !== null || (table && !found.unknown) || found.logits;
    let shown = null;
    const pictured = canvas && Promise.all([found.original, found.adversarial, found.order].map(loaded)).then((parts) => {
      shown = parts;
      canvas.width = parts[0].width;
      canvas.height = parts[0].height;
      smooth(canvas, canvas.width);
    });
    if (!moving || steps.length < 2) {
      if (pictured) pictured.then(() => compose(canvas, shown, steps.length ? steps[steps.length - 1] : 0));
      return;
    }
    const slider = make("input", { type: "range", min: "0", max: String(steps.length - 1), step: "1", value: String(steps.length - 1), id: "step" });
    const state_ = make("output", { id: "after", htmlFor: "step" });
    const play = make("button", { type: "button", textContent: "Play" });
    const bars = found.logits ? logits(found.logits) : null;
    const paint = () => {
      const step = steps[Number(slider.value)];
      let changed = "";
      if (canvas && shown) changed = compose(canvas, shown, step);
      if (table) table.show(found.unknown ? null : step);
      if (bars) bars.show(Number(slider.value));
      const text = `after step ${step} of ${steps[steps.length - 1]}${changed}`;
      slider.setAttribute("aria-valuetext", text);
      state_.textContent = text;
    };
    slider.addEventListener("input", paint);
    let timer = 0;
    const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
    play.addEventListener("click", () => {
      if (timer) return stop();
      if (Number(slider.value) >= steps.length - 1) slider.value = "-1";
      play.textContent = "Pause";
      timer = setInterval(() => {
        slider.value = String(Number(slider.value) + 1);
        paint();
        if (!slider.isConnected || Number(slider.value) >= steps.length - 1) stop();
      }, Math.max(60, Math.min(500, 6000 / steps.length)));
    });
    panels.append(make("div", { className: "replay" }, make("label", { htmlFor: "step", textContent: "The attack, step by step" }), slider, make("div", { className: "controls" }, play, state_), bars ? bars.node : null));
    paint();
    if (pictured) pictured.then(paint);
  };

  /** The image after a step, on a canvas; returns how many pixels have changed, in words. */
  const compose = (canvas, [original, adversarial, order], step) => {
    const image = new ImageData(new Uint8ClampedArray(original.data), original.width, original.height);
    let count = 0;
    for (let place = 0; place < image.data.length; place += 4) {
      const when = 256 * order.data[place] + order.data[place + 1];
      if (when < 1 || when > step) continue;
      count += 1;
      for (let channel = 0; channel < 3; channel += 1) image.data[place + channel] = adversarial.data[place + channel];
    }
    canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
    return `, ${count} pixel${count === 1 ? "" : "s"} changed`;
  };

  const logits = ({ classes, values }) => {
    const all = values.flat().filter((value) => value !== null);
    const low = Math.min(0, ...all), span = Math.max(0, ...all) - low || 1;
    const rows = classes.map((number) => {
      const bar = make("span"), out = make("output");
      return { bar, out, nodes: [make("span", { textContent: named(number) }), make("span", { className: "rail", "aria-hidden": "true" }, bar), out] };
    });
    const show = (place) => rows.forEach(({ bar, out }, column) => {
      const value = values[place][column];
      out.textContent = said(value);
      const from = Math.min(0, value ?? 0), to = Math.max(0, value ?? 0);
      bar.className = (value ?? 0) < 0 ? "minus" : "";
      bar.style.left = `${(100 * (from - low)) / span}%`;
      bar.style.width = `${(100 * (to - from)) / span}%`;
    });
    const node = make("div", { className: "logits", role: "group", "aria-label": "Logits after this step" }, ...rows.flatMap((row) => row.nodes));
    node.style.setProperty("--zero", `${(-100 * low) / span}%`);
    return { node, show };
  };

  options(field.result, results.map((result, number) => [number, result.label]));
  field.result.addEventListener("change", () => { state.result = results[Number(field.result.value)]; setUp(); search(); });
  form.addEventListener("input", (event) => { if (event.target !== field.result) search(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { field.result.value = String(results.indexOf(state.result)); search(); }));
  byId("more").addEventListener("click", () => { state.shown += PAGE; list(); });
  byId("previous").addEventListener("click", () => choose(state.place - 1));
  byId("next").addEventListener("click", () => choose(state.place + 1));
  for (const button of document.querySelectorAll(".matrix button")) {
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") === "true";
      form.reset();
      setTimeout(() => {
        state.result = results.find((result) => result.label === button.dataset.result);
        field.result.value = String(results.indexOf(state.result));
        setUp();
        field.clean.value = pressed ? "" : button.dataset.clean;
        field.final.value = pressed ? "" : button.dataset.final;
        field.outcome.value = "";
        search();
        byId("gallery").scrollIntoView();
      }, 1);
    });
  }
  setUp();
  search();
})();

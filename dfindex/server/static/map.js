// The corpus as points: WebGL, one buffer a property, a grid to find what is under the pointer.
"use strict";

(async () => {
  const root = document.querySelector("[data-map]");
  const one = (selector) => root.querySelector(selector);
  const canvas = one("canvas");
  const note = one("[data-note]");
  const live = root.dataset.live === "yes";
  const site = document.documentElement.dataset.root || ""; // what a proxy shows the service below
  const editor = root.dataset.editor === "yes";
  const NONE = [0.55, 0.59, 0.64];
  const PALETTE = ["#0f7fc4", "#e07a1f", "#1f9e77", "#c85a9e", "#b59a00", "#7a63d6", "#2fb3c0", "#a65a3c",
    "#6b8f23", "#d9467a", "#4668b8", "#8a8f1d"].map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255));
  const SAID = { real: [0.12, 0.62, 0.47], fake: [0.88, 0.35, 0.25] };

  // --- the points
  const unpacked = async () => {
    const inline = document.getElementById("points");
    let bytes;
    if (inline) {
      const text = atob(inline.textContent.trim());
      bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
      inline.remove();
    } else {
      let answer = await fetch(root.dataset.src);
      while (answer.status === 202) {
        note.textContent = `The map is being drawn: ${(await answer.json()).progress}…`;
        await new Promise((done) => setTimeout(done, 1000));
        answer = await fetch(root.dataset.src);
      }
      if (!answer.ok) throw new Error((await answer.json()).error.message);
      bytes = new Uint8Array(await answer.arrayBuffer());
    }
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  };
  const read = (buffer) => {
    const length = new DataView(buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    let at = 4 + length;
    const take = (Kind, count) => {
      const end = at + count * Kind.BYTES_PER_ELEMENT;
      const found = new Kind(buffer.slice(at, end));
      at = end;
      return found;
    };
    const n = head.count;
    const points = { n, head, xy: take(Uint16Array, 2 * n), ids: take(Float64Array, n), columns: [] };
    for (const column of head.columns) points.columns.push({ ...column, codes: take(Uint16Array, n) });
    if (head.thumbnails) {
      points.ends = take(Uint32Array, n);
      points.pictures = take(Uint8Array, n ? points.ends[n - 1] : 0);
    }
    const rest = buffer.slice(at);
    let names = null; // decoded when the first is asked for
    points.name = (i) => {
      names ??= new TextDecoder().decode(rest).split("\n");
      return names[i] || "";
    };
    return points;
  };

  let points;
  try {
    points = read(await unpacked());
  } catch (error) {
    note.textContent = `The map cannot be shown: ${error.message}`;
    return;
  }
  const { n, xy } = points;
  if (!n) {
    note.textContent = "The index holds no samples yet.";
    return;
  }
  const hidden = new Uint8Array(n); // by the legend
  const chosen = new Uint8Array(n); // by the lasso
  const colours = new Uint8Array(4 * n);
  let some = false; // is anything chosen
  let column = points.columns.find((each) => each.name === "label") || points.columns[0];
  let off = new Set();

  // --- what is seen: the middle in 0..1, and how many pixels one unit has
  const view = { x: 0.5, y: 0.5, scale: 1 };
  let width = 1;
  let height = 1;
  let ratio = 1;
  const base = () => 0.94 * Math.min(width, height);
  const toScreen = (i) => [
    width / 2 + (xy[2 * i] / 65535 - view.x) * base() * view.scale,
    height / 2 - (xy[2 * i + 1] / 65535 - view.y) * base() * view.scale,
  ];
  const fromScreen = (px, py) => [
    view.x + (px - width / 2) / (base() * view.scale),
    view.y - (py - height / 2) / (base() * view.scale),
  ];
  const dot = () => Math.min(14, Math.max(2.2, (n > 20000 ? 2.6 : n > 3000 ? 4 : 6) * Math.sqrt(view.scale) ** 0.8));

  // --- drawing
  const gl = canvas.getContext("webgl", { antialias: false, alpha: true, premultipliedAlpha: true });
  let program;
  let places = {};
  let colourBuffer;
  const prepare = () => {
    const shader = (kind, text) => {
      const made = gl.createShader(kind);
      gl.shaderSource(made, text);
      gl.compileShader(made);
      return made;
    };
    program = gl.createProgram();
    gl.attachShader(program, shader(gl.VERTEX_SHADER, `
      attribute vec2 place; attribute vec4 colour;
      uniform vec2 middle; uniform vec2 stretch; uniform float size;
      varying vec4 shade;
      void main() {
        gl_Position = vec4((place - middle) * stretch, 0.0, colour.a < 0.004 ? -2.0 : 1.0);
        gl_PointSize = colour.a < 0.004 ? 0.0 : size;
        shade = colour;
      }`));
    gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `
      precision mediump float; varying vec4 shade;
      void main() {
        float edge = 1.0 - smoothstep(0.36, 0.5, distance(gl_PointCoord, vec2(0.5)));
        float alpha = shade.a * edge;
        gl_FragColor = vec4(shade.rgb * alpha, alpha);
      }`));
    gl.linkProgram(program);
    gl.useProgram(program);
    const buffer = (data, name, count, kind) => {
      const made = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, made);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
      const at = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, count, kind, true, 0, 0);
      return made;
    };
    buffer(xy, "place", 2, gl.UNSIGNED_SHORT);
    colourBuffer = buffer(colours, "colour", 4, gl.UNSIGNED_BYTE);
    for (const name of ["middle", "stretch", "size"]) places[name] = gl.getUniformLocation(program, name);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  };
  const flat = gl ? null : canvas.getContext("2d");
  const drawFlat = () => {
    flat.setTransform(ratio, 0, 0, ratio, 0, 0);
    flat.clearRect(0, 0, width, height);
    const size = dot();
    for (let i = 0; i < n; i += 1) {
      if (!colours[4 * i + 3]) continue;
      const [px, py] = toScreen(i);
      if (px < 0 || py < 0 || px > width || py > height) continue;
      flat.fillStyle = `rgba(${colours[4 * i]},${colours[4 * i + 1]},${colours[4 * i + 2]},${colours[4 * i + 3] / 255})`;
      flat.fillRect(px - size / 2, py - size / 2, size, size);
    }
  };
  let waiting = false;
  const draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (flat) {
        drawFlat();
      } else {
        gl.viewport(0, 0, canvas.width, canvas.height);
        gl.clearColor(0, 0, 0, 0);
        gl.clear(gl.COLOR_BUFFER_BIT);
        gl.uniform2f(places.middle, view.x, view.y);
        gl.uniform2f(places.stretch, (2 * base() * view.scale) / width, (2 * base() * view.scale) / height);
        gl.uniform1f(places.size, dot() * ratio);
        gl.drawArrays(gl.POINTS, 0, n);
      }
      root.dataset.drawn = "yes";
    });
  };
  const RAMP = [[0.17, 0.4, 0.74], [0.86, 0.78, 0.45], [0.82, 0.2, 0.18]]; // of an ordered column
  const ramped = (share) => {
    const from = RAMP[share < 0.5 ? 0 : 1];
    const to = RAMP[share < 0.5 ? 1 : 2];
    const part = share < 0.5 ? 2 * share : 2 * share - 1;
    return from.map((each, at) => each + part * (to[at] - each));
  };
  const colourOf = (value, place) => {
    if (value === "") return NONE;
    if (column.ordered) return ramped((place - 1) / (column.values.length - 2));
    return SAID[value] || PALETTE[(place - 1) % PALETTE.length];
  };
  const paint = () => {
    const shades = column.values.map((value, place) => colourOf(value, place).map((each) => Math.round(255 * each)));
    const usual = n > 20000 ? 150 : 215;
    for (let i = 0; i < n; i += 1) {
      const code = column.codes[i];
      hidden[i] = off.has(code) ? 1 : 0;
      const shade = shades[code];
      colours[4 * i] = shade[0];
      colours[4 * i + 1] = shade[1];
      colours[4 * i + 2] = shade[2];
      colours[4 * i + 3] = hidden[i] ? 0 : some ? (chosen[i] ? 255 : 36) : usual;
    }
    if (gl) {
      gl.bindBuffer(gl.ARRAY_BUFFER, colourBuffer);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, colours);
    }
    draw();
  };
  const resize = () => {
    const box = canvas.getBoundingClientRect();
    ratio = devicePixelRatio || 1;
    width = Math.max(1, box.width);
    height = Math.max(1, box.height);
    for (const layer of [canvas, one("[data-lasso]")]) {
      layer.width = Math.round(width * ratio);
      layer.height = Math.round(height * ratio);
    }
    draw();
  };

  // --- what is under the pointer
  const CELLS = 256;
  let starts = null;
  let order = null;
  const cell = (value) => Math.min(CELLS - 1, value >> 8);
  const sort = () => {
    starts = new Uint32Array(CELLS * CELLS + 1);
    for (let i = 0; i < n; i += 1) starts[1 + cell(xy[2 * i + 1]) * CELLS + cell(xy[2 * i])] += 1;
    for (let i = 0; i < CELLS * CELLS; i += 1) starts[i + 1] += starts[i];
    const next = starts.slice();
    order = new Uint32Array(n);
    for (let i = 0; i < n; i += 1) order[next[cell(xy[2 * i + 1]) * CELLS + cell(xy[2 * i])]++] = i;
  };
  const near = (px, py) => {
    if (!order) sort();
    const reach = Math.max(7, dot());
    const [x, y] = fromScreen(px, py);
    const r = reach / (base() * view.scale);
    const bound = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS)));
    let best = -1;
    let least = reach * reach;
    for (let row = bound(y - r); row <= bound(y + r); row += 1) {
      for (let col = bound(x - r); col <= bound(x + r); col += 1) {
        for (let k = starts[row * CELLS + col]; k < starts[row * CELLS + col + 1]; k += 1) {
          const i = order[k];
          if (hidden[i]) continue;
          const [sx, sy] = toScreen(i);
          const far = (sx - px) ** 2 + (sy - py) ** 2;
          if (far < least) { least = far; best = i; }
        }
      }
    }
    return best;
  };
  const tip = one("[data-tip]");
  const pictureOf = (i) => {
    if (live) return `${site}/api/v1/samples/${points.ids[i]}/thumbnail?size=160`;
    if (!points.ends) return null;
    const from = i ? points.ends[i - 1] : 0;
    if (points.ends[i] === from) return null;
    return URL.createObjectURL(new Blob([points.pictures.subarray(from, points.ends[i])], { type: "image/jpeg" }));
  };
  let over = -1;
  const hover = (i, px, py) => {
    if (i !== over) {
      over = i;
      tip.replaceChildren();
      if (i >= 0) {
        const source = pictureOf(i);
        if (source) {
          const frame = document.createElement("span");
          frame.className = "thumb";
          const image = new Image();
          image.alt = "";
          image.src = source;
          image.addEventListener("load", () => { if (source.startsWith("blob:")) URL.revokeObjectURL(source); });
          frame.append(image);
          tip.append(frame);
        }
        const name = document.createElement("strong");
        name.textContent = points.name(i).split("/").pop();
        const rest = document.createElement("span");
        rest.textContent = points.columns.map((each) => each.values[each.codes[i]]).filter(Boolean).join(" · ");
        tip.append(name, rest);
      }
    }
    tip.hidden = i < 0;
    canvas.style.cursor = i >= 0 ? "pointer" : "";
    if (i < 0) return;
    tip.style.left = `${Math.min(px + 14, Math.max(0, width - 190))}px`;
    tip.style.top = `${py > height / 2 ? py - tip.offsetHeight - 12 : py + 14}px`;
  };

  // --- the lasso
  const lasso = one("[data-lasso]");
  const ink = lasso.getContext("2d");
  let path = null;
  let tool = "move";
  const pick = (next) => {
    tool = next;
    for (const button of root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    root.dataset.tool = tool;
  };
  const trace = () => {
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    if (!path) return;
    ink.beginPath();
    for (const [x, y] of path) ink.lineTo(x, y);
    ink.closePath();
    ink.fillStyle = "rgba(47,111,214,.15)";
    ink.strokeStyle = "#2f6fd6";
    ink.lineWidth = 1.5;
    ink.fill();
    ink.stroke();
  };
  const inside = (px, py) => {
    let is = false;
    for (let i = 0, j = path.length - 1; i < path.length; j = i, i += 1) {
      const [xi, yi] = path[i];
      const [xj, yj] = path[j];
      if (yi > py !== yj > py && px < ((xj - xi) * (py - yi)) / (yj - yi) + xi) is = !is;
    }
    return is;
  };
  const close = () => {
    if (path.length > 2) {
      for (let i = 0; i < n; i += 1) chosen[i] = !hidden[i] && inside(...toScreen(i)) ? 1 : 0;
      choose();
    }
    path = null;
    trace();
  };

  // --- what is chosen
  const panel = one("[data-chosen]");
  const listed = () => {
    const rows = [];
    for (let i = 0; i < n; i += 1) if (chosen[i]) rows.push(i);
    return rows;
  };
  const choose = () => {
    const rows = listed();
    some = rows.length > 0;
    panel.hidden = !some;
    paint();
    if (!some) return;
    const counts = new Map();
    for (const i of rows) {
      const value = column.values[column.codes[i]] || "none";
      counts.set(value, (counts.get(value) || 0) + 1);
    }
    one("[data-count]").textContent = `${rows.length.toLocaleString("en")} chosen`;
    one("[data-breakdown]").textContent = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6)
      .map(([value, count]) => `${value} ${count.toLocaleString("en")}`).join(" · ");
    const list = one("[data-list]");
    list.replaceChildren(...rows.slice(0, 100).map((i) => {
      const item = document.createElement("li");
      const name = document.createElement(live ? "a" : "span");
      if (live) name.href = `${site}/samples/${points.ids[i]}`;
      name.textContent = points.name(i).split("/").pop();
      name.title = points.name(i);
      item.append(name);
      return item;
    }));
    const filter = one("[data-filter]");
    if (filter) {
      filter.hidden = rows.length > 150;
      filter.href = `${site}/?${new URLSearchParams({ expression: `id in (${rows.map((i) => points.ids[i]).join(", ")})` })}`;
    }
  };
  const clear = () => { chosen.fill(0); choose(); };
  const keep = () => {
    // an apostrophe keeps a spreadsheet from taking a name for a formula
    const cell = (name) => `"${name.replace(/^(?='*[=+\-@\t\r])/, "'").replaceAll('"', '""')}"`;
    const rows = listed().map((i) => `${points.ids[i]},${cell(points.name(i))}`);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`id,path\n${rows.join("\n")}\n`], { type: "text/csv" }));
    link.download = "chosen.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const label = async (value) => {
    const rows = listed();
    const answer = await fetch(`${site}/api/v1/labels`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sample_ids: rows.map((i) => points.ids[i]), label: value }),
    });
    const said = await answer.json();
    one("[data-said]").textContent = answer.ok ? `Labelled ${said.labelled}.` : said.error.message;
    if (!answer.ok) return;
    let labels = points.columns.find((each) => each.name === "label");
    if (!labels) {
      labels = { name: "label", values: [""], codes: new Uint16Array(n) };
      points.columns.unshift(labels);
    }
    if (!labels.values.includes(value)) labels.values.push(value);
    for (const i of rows) labels.codes[i] = labels.values.indexOf(value);
    choices();
    if (column === labels) legend();
    choose();
  };

  // --- legend
  const select = one("[data-columns]");
  const choices = () => {
    select.replaceChildren(...points.columns.map((each) => new Option(each.name, each.name, false, each === column)));
  };
  const legend = () => {
    const counts = new Uint32Array(column.values.length);
    for (let i = 0; i < n; i += 1) counts[column.codes[i]] += 1;
    const ranked = column.values.map((value, code) => ({ value, code })).filter(({ code }) => counts[code]);
    one("[data-legend]").replaceChildren(...ranked.slice(0, 40).map(({ value, code }) => {
      const row = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = !off.has(code);
      box.addEventListener("change", () => {
        if (box.checked) off.delete(code);
        else off.add(code);
        paint();
      });
      const mark = document.createElement("i");
      mark.style.background = `rgb(${colourOf(value, code).map((each) => Math.round(255 * each))})`;
      const words = document.createElement("span");
      words.textContent = value || "none";
      const count = document.createElement("b");
      count.textContent = counts[code].toLocaleString("en");
      row.append(box, mark, words, count);
      return row;
    }));
  };

  // --- hands
  const zoom = (factor, px = width / 2, py = height / 2) => {
    const [x, y] = fromScreen(px, py);
    const next = Math.min(400, Math.max(0.5, view.scale * factor));
    view.x = x - ((x - view.x) * view.scale) / next;
    view.y = y - ((y - view.y) * view.scale) / next;
    view.scale = next;
    draw();
  };
  const move = (dx, dy) => {
    view.x -= dx / (base() * view.scale);
    view.y += dy / (base() * view.scale);
    draw();
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const fingers = new Map();
  let moved = 0;
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 350), ...at(event)); }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    moved = 0;
    if (fingers.size === 1 && (tool === "lasso" || event.shiftKey)) path = [at(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const last = fingers.get(event.pointerId);
    if (!last) { hover(near(...now), ...now); return; }
    moved += Math.hypot(now[0] - last[0], now[1] - last[1]);
    if (path) {
      path.push(now);
      trace();
    } else if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const span = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
      zoom(span(now) / span(last), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else {
      move(now[0] - last[0], now[1] - last[1]);
    }
    fingers.set(event.pointerId, now);
  });
  const up = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (path) close();
    else if (moved < 4) {
      const i = near(...at(event));
      if (i >= 0 && live) location.href = `${site}/samples/${points.ids[i]}`;
      else if (i < 0) clear();
    }
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("keydown", (event) => {
    const actions = {
      ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
      "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), 0: fit, Escape: clear,
      l: () => pick(tool === "lasso" ? "move" : "lasso"),
    };
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  });
  function fit() { Object.assign(view, { x: 0.5, y: 0.5, scale: 1 }); draw(); }
  for (const button of root.querySelectorAll("[data-tool]")) button.addEventListener("click", () => pick(button.dataset.tool));
  for (const button of root.querySelectorAll("[data-do]")) {
    const actions = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit, clear, keep, real: () => label("real"), fake: () => label("fake") };
    button.addEventListener("click", actions[button.dataset.do]);
  }
  select.addEventListener("change", () => {
    column = points.columns.find((each) => each.name === select.value);
    off = new Set();
    legend();
    if (some) choose();
    else paint();
  });
  const find = one("[data-find]");
  find.addEventListener("input", () => {
    const words = find.value.trim().toLowerCase();
    for (let i = 0; i < n; i += 1) chosen[i] = words && points.name(i).toLowerCase().includes(words) ? 1 : 0;
    choose();
  });

  if (gl) prepare();
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => { prepare(); paint(); });
  new ResizeObserver(resize).observe(canvas);
  if (!editor) for (const button of root.querySelectorAll("[data-do=real], [data-do=fake]")) button.remove();
  note.textContent = `${n.toLocaleString("en")} samples of ${points.head.space}, generation ${points.head.generation}. What lies together looks alike; distances between groups mean little.`;
  choices();
  legend();
  pick("move");
  resize();
  paint();
})();

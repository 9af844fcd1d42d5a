// Two pictures on each other: one zoom for both, a slider, blinking, difference, heat map.
"use strict";

(() => {
  const root = document.querySelector("[data-compare]");
  const one = (selector) => root.querySelector(selector);
  const all = (selector) => [...root.querySelectorAll(selector)];
  const stages = one("[data-stages]");
  const place = one("[data-place]");
  const rail = one("[data-rail]");
  const level = one("[data-level]");
  const laid = one("[data-laid]");
  const layer = (name) => one(`[data-layer=${name}]`);
  const size = { width: Number(root.dataset.width), height: Number(root.dataset.height) };
  let mode = "side";
  let scale = 1;
  let x = 0; // of the view's width, and height: the same in both views whatever their size
  let y = 0;
  let blinking = null;

  for (const view of all(".view")) {
    view.style.aspectRatio = `${size.width} / ${size.height}`;
    view.style.setProperty("--aspect", String(size.width / size.height));
  }

  const paint = () => {
    const most = (scale - 1) / 2;
    x = Math.min(most, Math.max(-most, x));
    y = Math.min(most, Math.max(-most, y));
    for (const pan of all(".pan")) {
      pan.style.transform = `translate(${100 * x}%, ${100 * y}%) scale(${scale})`;
    }
    level.textContent = `${Math.round(100 * scale)} %`;
    slide();
  };
  const zoom = (factor, at = { x: 0, y: 0 }) => {
    const next = Math.min(16, Math.max(1, scale * factor));
    x = at.x - ((at.x - x) * next) / scale;
    y = at.y - ((at.y - y) * next) / scale;
    scale = next;
    paint();
  };
  const fit = () => { scale = 1; x = 0; y = 0; paint(); };

  function slide() {
    const upper = layer("aligned");
    if (!upper) return;
    if (mode !== "slide") { upper.style.clipPath = ""; rail.hidden = true; return; }
    const share = Number(place.value) / 100;
    // Where the rail crosses the picture, which may be zoomed and moved under it.
    const inside = 0.5 + (share - 0.5 - x) / scale;
    upper.style.clipPath = `inset(0 0 0 ${100 * Math.min(1, Math.max(0, inside))}%)`;
    rail.hidden = false;
    rail.style.left = `${100 * share}%`;
  }

  const shown = {
    side: ["first"],
    slide: ["first", "aligned"],
    blink: ["first", "aligned"],
    difference: ["difference"],
    heat: ["first", "heat"],
  };
  const blink = () => {
    const upper = layer("aligned");
    const on = upper.classList.toggle("off");
    one("[data-stage=first] figcaption").textContent = on ? names.first : names.second;
  };
  const names = {
    first: one("[data-stage=first] figcaption").textContent,
    second: one("[data-stage=second] figcaption").textContent,
  };
  const stopBlinking = () => { clearInterval(blinking); blinking = null; };
  const startBlinking = () => { stopBlinking(); blinking = setInterval(blink, 600); };

  const look = (next) => {
    mode = next;
    stages.dataset.stages = mode;
    stopBlinking();
    for (const button of all("[data-mode]")) {
      const on = button.dataset.mode === mode;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    for (const image of all("[data-stage=first] [data-layer]")) {
      image.loading = "eager";
      image.classList.toggle("off", !shown[mode].includes(image.dataset.layer));
    }
    one("[data-stage=second]").hidden = mode !== "side";
    const boxes = one(".boxes");
    if (boxes) boxes.classList.toggle("off", mode === "slide" || mode === "blink");
    one("[data-stage=first] figcaption").textContent = {
      slide: `${names.first}  |  ${names.second}`,
      difference: "Difference, four times as strong; nothing where only one of them shows something",
      heat: "What was altered, on the query",
    }[mode] || names.first;
    if (mode === "blink") {
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) blink();
      else startBlinking();
    }
    slide();
  };

  for (const button of all("[data-mode]")) button.addEventListener("click", () => look(button.dataset.mode));
  for (const button of all("[data-zoom]")) {
    button.addEventListener("click", () => ({ in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit })[button.dataset.zoom]());
  }
  place.addEventListener("input", slide);
  if (laid) {
    laid.addEventListener("change", () => {
      layer("laid").hidden = !laid.checked;
      layer("second").hidden = laid.checked;
    });
  }

  for (const view of all(".view")) {
    const at = (event) => {
      const box = view.getBoundingClientRect();
      return { x: (event.clientX - box.left) / box.width - 0.5, y: (event.clientY - box.top) / box.height - 0.5 };
    };
    view.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && scale === 1 && event.deltaY > 0) return; // let the page scroll
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 300), at(event));
    }, { passive: false });
    let last = null;
    view.addEventListener("pointerdown", (event) => { last = at(event); view.setPointerCapture(event.pointerId); });
    view.addEventListener("pointermove", (event) => {
      if (!last) return;
      const now = at(event);
      if (mode === "slide" && scale === 1) place.value = String(100 * (now.x + 0.5));
      x += now.x - last.x;
      y += now.y - last.y;
      last = now;
      paint();
    });
    for (const end of ["pointerup", "pointercancel"]) view.addEventListener(end, () => { last = null; });
    view.addEventListener("dblclick", (event) => (scale > 1 ? fit() : zoom(3, at(event))));
  }

  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=range]):not([type=checkbox]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input") && /^Arrow| /.test(event.key)) return; // the slider's own keys
    const modes = all("[data-mode]").map((button) => button.dataset.mode);
    const number = Number(event.key);
    const actions = {
      "+": () => zoom(1.5),
      "=": () => zoom(1.5),
      "-": () => zoom(1 / 1.5),
      0: fit,
      ArrowLeft: () => { x += 0.1; paint(); },
      ArrowRight: () => { x -= 0.1; paint(); },
      ArrowUp: () => { y += 0.1; paint(); },
      ArrowDown: () => { y -= 0.1; paint(); },
    };
    if (number >= 1 && number <= modes.length) {
      look(modes[number - 1]);
      one(`[data-mode=${modes[number - 1]}]`).focus();
    } else if (event.target.closest("[role=radio]") && /^Arrow/.test(event.key)) {
      const step = event.key === "ArrowLeft" || event.key === "ArrowUp" ? -1 : 1;
      const next = modes[(modes.indexOf(mode) + step + modes.length) % modes.length];
      look(next);
      one(`[data-mode=${next}]`).focus();
    } else if (event.key === " " && mode === "blink" && !event.target.closest("button")) {
      if (blinking) stopBlinking();
      else blink();
    } else if (actions[event.key]) {
      actions[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  });
  look("side");
  paint();
})();

// Walk through groups and decide with the keyboard.
"use strict";
(() => {
  const members = () => [...document.querySelectorAll("[data-member]")];
  addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = members();
    const here = all.indexOf(document.activeElement.closest("[data-member]"));
    const go = (step) => all[Math.min(all.length - 1, Math.max(0, here + step))]?.focus();
    const decide = (value) => {
      if (here < 0) return;
      all[here].querySelector(`button[value=${value}]`)?.click();
      go(1);
    };
    const actions = {
      j: () => go(1),
      k: () => go(-1),
      s: () => decide("same"),
      d: () => decide("different"),
      Enter: () => { if (here >= 0) location.href = all[here].dataset.open; },
    };
    if (!actions[event.key] || (event.key === "Enter" && event.target.closest("a, button"))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    actions[event.key]();
  }, { capture: true });
})();

// What every page can do: show or blur pictures, take a picture, walk with the keyboard.
"use strict";

(() => {
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- blur
  const blur = one("[data-blur]");
  const tell = () => {
    const shown = root.classList.contains("shown");
    blur.setAttribute("aria-pressed", String(shown));
    one(".wide", blur).textContent = shown ? "Blur pictures" : "Show pictures";
  };
  const toggleBlur = () => {
    const shown = root.classList.toggle("shown");
    try {
      localStorage.setItem("dfindex-shown", shown ? "yes" : "no");
    } catch {
      // the choice lasts as long as the page
    }
    tell();
  };
  blur.addEventListener("click", toggleBlur);
  tell();

  // --- pictures that are gone
  document.addEventListener("error", (event) => {
    if (event.target instanceof HTMLImageElement) {
      const place = event.target.closest(".thumb");
      if (place) place.classList.add("gone");
    }
  }, true);

  // --- films that this browser cannot play: their frame is shown as a picture
  const unplayed = (film) => {
    const place = film.closest("[data-film]");
    if (!place) return;
    film.hidden = true;
    one("img", place).hidden = false;
    one("[data-unplayed]", place).hidden = false;
  };
  const seen = (film) => film.readyState && !film.videoWidth; // its sound alone can be played
  for (const film of all("[data-film] video")) {
    if (film.error || seen(film)) unplayed(film);
    film.addEventListener("error", () => unplayed(film));
    film.addEventListener("loadedmetadata", () => { if (seen(film)) unplayed(film); });
  }

  // --- a picture to search for
  const ask = one("[data-ask]");
  if (ask) {
    const file = one("#file", ask);
    const drop = one("[data-drop]", ask);
    const submit = () => {
      if (file.files.length || one("[name=query]", ask)) ask.requestSubmit();
    };
    const take = (files) => {
      const media = [...files].find((each) => /^(image|video)\//.test(each.type)) || files[0];
      if (!media) return;
      const carrier = new DataTransfer();
      carrier.items.add(media);
      file.files = carrier.files;
      submit();
    };
    file.addEventListener("change", submit);
    // A file is sent once; afterwards its search is repeated by reference.
    const narrow = matchMedia("(max-width: 760px)");
    document.addEventListener("htmx:after:swap", () => {
      file.value = "";
      if (narrow.matches) one("#results").scrollIntoView();
    });
    for (const select of all("select, input[type=date]", ask)) select.addEventListener("change", submit);
    let depth = 0;
    const over = (is) => drop.classList.toggle("over", is);
    addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; over(true); });
    addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) { depth = 0; over(false); } });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      over(false);
      take(event.dataTransfer.files);
    });
    addEventListener("paste", (event) => {
      if (event.clipboardData.files.length) take(event.clipboardData.files);
    });
    if (narrow.matches && one("[name=query]", ask)) one("#results").scrollIntoView();
  }

  // --- keyboard
  const keys = one("#keys");
  one("[data-keys]").addEventListener("click", () => keys.showModal());
  const walk = (step) => {
    const links = all("[data-walk] > * a.open, [data-walk] > [tabindex]");
    if (!links.length) return;
    const here = links.indexOf(document.activeElement);
    const next = links[Math.min(links.length - 1, Math.max(0, here + step))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=range]):not([type=checkbox]), textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    const actions = {
      b: toggleBlur,
      "?": () => keys.showModal(),
      "/": () => one("#file")?.click(),
      j: () => walk(1),
      k: () => walk(-1),
    };
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
})();

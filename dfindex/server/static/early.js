// Before the first paint: pictures are blurred unless their viewer asked for them before.
"use strict";
document.documentElement.classList.add("js");
try {
  if (localStorage.getItem("dfindex-shown") === "yes") document.documentElement.classList.add("shown");
} catch {
  // without storage the choice lasts as long as the page
}

// The API's description, drawn from this service's own openapi.json.
"use strict";
addEventListener("DOMContentLoaded", () => {
  window.SwaggerUIBundle({ url: `${document.documentElement.dataset.root}/openapi.json`, dom_id: "#swagger", deepLinking: true, validatorUrl: null });
});

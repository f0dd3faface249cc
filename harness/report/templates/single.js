// All pages of a site in one file: globalThis.harnessFiles, path → text. One of them is shown in the frame, the one that the
// address names (#accuracy.html?op=gemm); its scripts and style sheet are blobs.
"use strict";

(() => {
  const files = globalThis.harnessFiles;
  const types = { js: "text/javascript", css: "text/css" };
  const blobs = new Map();
  const blob = (path) => {
    if (!blobs.has(path)) blobs.set(path, URL.createObjectURL(new Blob([files[path]], { type: `${types[path.split(".").at(-1)]};charset=utf-8` })));
    return blobs.get(path);
  };
  // Pages name their parts in attributes, and their policy allows parts of their own origin alone.
  const referring = (page) =>
    page
      .replace("script-src 'self'; style-src 'self'", "script-src blob:; style-src blob:")
      .replace(/(src|href)="([^"#]+\.(?:js|css))"/g, (whole, attribute, path) => (path in files ? `${attribute}="${blob(path)}"` : whole));

  const show = () => {
    const [page] = location.hash.slice(1).split("?");
    const path = page in files && page.endsWith(".html") ? page : "index.html";
    // A new frame each time: navigations of one would stand in the history beside those of the address.
    const frame = Object.assign(document.createElement("iframe"), { title: document.title, srcdoc: referring(files[path]) });
    document.querySelector("iframe")?.remove();
    document.body.append(frame);
  };
  addEventListener("hashchange", show);
  show();
})();

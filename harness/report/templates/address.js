// Where the reader is and goes. Pages of a site in one file lie in a frame of it (single.js), whose address is the file's:
// #accuracy.html?op=gemm there, accuracy.html#op=gemm else.
"use strict";

const IN_ONE_FILE = location.href === "about:srcdoc";

const caseAddress = (id, run = "") => `case.html#${new URLSearchParams(run ? { id, run } : { id })}`;

// What the address says is chosen (op=gemm&…).
const chosenInAddress = () => (IN_ONE_FILE ? (parent.location.hash.split("?", 2)[1] ?? "") : location.hash.slice(1));

function goTo(address) {
  if (IN_ONE_FILE) parent.location.hash = address.replace("#", "?");
  else location.href = address;
}

// The address carries what is chosen, so that it can be linked to.
function remember(choices) {
  if (choices === chosenInAddress()) return;
  if (!IN_ONE_FILE) history.replaceState(null, "", `#${choices}`);
  else parent.history.replaceState(null, "", `#${parent.location.hash.slice(1).split("?")[0] || "index.html"}?${choices}`);
}

if (IN_ONE_FILE) {
  document.addEventListener("click", (event) => {
    const address = event.target.closest("a[href]")?.getAttribute("href");
    if (!address || address.startsWith("blob:")) return;
    event.preventDefault();
    if (!address.startsWith("#")) return goTo(address);
    document.querySelector(address)?.scrollIntoView();
  });
}

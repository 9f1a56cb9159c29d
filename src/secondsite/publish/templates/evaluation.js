"use strict";
(() => {
  const table = document.getElementById("strategies-table");
  const heads = [...table.tHead.rows[0].cells];
  const said = document.getElementById("sorted");

  // Absent values stay last in both directions; unbounded ones are the largest.
  const compare = (index, sign) => (a, b) => {
    const [x, y] = [a, b].map((row) => row.cells[index].dataset.order);
    if (x === "" || y === "") return (x === "") - (y === "");
    const [m, n] = [x, y].map((text) => Number(text.replace("inf", "Infinity")));
    return m === n ? 0 : sign * (m < n ? -1 : 1);
  };

  const sort = (key, direction) => {
    const index = heads.findIndex((head) => head.dataset.key === key);
    if (index < 0) return;
    const rows = [...table.tBodies[0].rows].sort(compare(0, 1));
    rows.sort(compare(index, direction === "descending" ? -1 : 1));
    table.tBodies[0].append(...rows);
    heads.forEach((head, at) => {
      if (at === index) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
    said.textContent = `Sorted by ${heads[index].textContent}, ${direction}.`;
  };

  const follow = () => {
    const order = /^#sort=([\w-]+):(ascending|descending)$/.exec(location.hash);
    if (order) sort(order[1], order[2]);
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      sort(head.dataset.key, next);
      history.replaceState(null, "", `#sort=${head.dataset.key}:${next}`);
    });
  }

  const details = [...document.querySelectorAll("#details > details")];
  const all = document.createElement("button");
  all.type = "button";
  all.textContent = "Open all";
  all.addEventListener("click", () => {
    const open = all.textContent === "Open all";
    for (const one of details) one.open = open;
    all.textContent = open ? "Close all" : "Open all";
  });
  document.getElementById("details-title").after(all);

  addEventListener("hashchange", follow);
  follow();
})();

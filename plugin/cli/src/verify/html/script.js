"use strict";
// Sorting, searching and unfolding; the page says the same without it.
(() => {
  const value = (row, at) => {
    const cell = row.cells[at];
    return cell.dataset.by === undefined ? cell.textContent.trim() : Number(cell.dataset.by);
  };
  const compare = (one, other) => {
    const [a, b] = [typeof one === "number", typeof other === "number"];
    if (a && b) return one - other;
    return a === b ? String(one).localeCompare(String(other), "en", { numeric: true }) : a ? 1 : -1;
  };
  const sort = (table, header) => {
    const at = header.cellIndex;
    const falls = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row, at), row]);
    rows.sort((one, other) => (falls ? compare(other[0], one[0]) : compare(one[0], other[0])));
    body.append(...rows.map((pair) => pair[1]));
  };
  const search = (before, name, items) => {
    const label = document.createElement("label");
    label.className = "search";
    const input = document.createElement("input");
    input.type = "search";
    const found = document.createElement("span");
    found.setAttribute("role", "status");
    label.append(name + " ", input, " ", found);
    before.before(label);
    let texts = null;
    input.addEventListener("input", () => {
      texts ??= items().map((item) => [item, item.textContent.toLowerCase()]);
      const wanted = input.value.trim().toLowerCase();
      let count = 0;
      for (const [item, text] of texts) {
        item.hidden = !text.includes(wanted);
        if (!item.hidden) count += 1;
      }
      found.textContent = wanted ? count + " of " + texts.length : "";
    });
  };
  for (const table of document.querySelectorAll("table.sorted")) {
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(table, header));
      header.append(button);
    }
    if (table.dataset.searched !== undefined) {
      search(table.parentNode, "Search in this table:", () => [...table.tBodies[0].rows]);
    }
  }
  for (const list of document.querySelectorAll("[data-filtered]")) {
    if (list.children.length > 12) search(list, "Search in timelines:", () => [...list.children]);
  }
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    let within = target;
    while ((within = within.parentElement?.closest("details"))) within.open = true;
    if (target.tagName === "DETAILS") target.open = true;
    target.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", reveal);
  reveal();
  // Paper has nothing to unfold.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });
})();

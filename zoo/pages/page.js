"use strict";
(() => {
  const make = (name, fields, ...inner) => {
    const node = Object.assign(document.createElement(name), fields);
    node.append(...inner);
    return node;
  };

  // Tables whose columns sort when their names are clicked.
  const sortable = table => {
    const body = table.tBodies[0];
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending" && column > 0;
        const up = head.getAttribute("aria-sort") !== "ascending" && !down;
        table.querySelectorAll("thead th").forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = row => row.cells[column].dataset.value;
        body.append(...Array.from(body.rows).sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === undefined) return (up ? 1 : -1) * a.cells[column].textContent.localeCompare(b.cells[column].textContent);
          if (x === "" || y === "") return (x === "") - (y === "");
          return (up ? 1 : -1) * (x - y);
        }));
      });
    });
  };

  // Commands with a button that copies them.
  const copied = text => navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject();
  const copyable = pre => {
    const button = make("button", { type: "button" }, "Copy");
    pre.append(button);
    button.addEventListener("click", () => {
      const code = pre.querySelector("code"), said = word => {
        button.textContent = word;
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      };
      copied(code.textContent).then(() => said("Copied"), () => {
        getSelection().selectAllChildren(code);  // no clipboard here: the text is selected, for the reader to copy
        said("Selected");
      });
    });
  };

  // Points of a chart say what they are when pointed at; those with details show them when chosen.
  const hover = make("div", { id: "hover", hidden: true });
  hover.setAttribute("role", "tooltip");
  const near = event => {
    const box = hover.getBoundingClientRect();
    hover.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - box.width - 8)) + "px";
    hover.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 14) + "px";
  };
  const told = (figure, id) => {
    const details = document.getElementById(id);
    if (!details) return;
    let place = figure.querySelector(".told");
    if (!place) {
      place = make("div", { className: "told" });
      place.setAttribute("aria-live", "polite");
      figure.append(place);
    }
    const shown = details.cloneNode(true);
    shown.removeAttribute("id");
    shown.querySelectorAll("[id]").forEach(one => one.removeAttribute("id"));
    shown.querySelectorAll("pre.copy").forEach(one => { one.querySelector("button")?.remove(); copyable(one); });
    place.dataset.of = id;
    place.replaceChildren(shown);
  };
  const chart = svg => {
    const figure = svg.closest("figure") || svg.parentElement, chosen = [];
    svg.querySelectorAll("title").forEach(title => {
      const point = title.parentElement, text = title.textContent, id = point.dataset.of;
      if (point === svg) return;
      title.remove();
      point.addEventListener("pointerenter", event => { hover.textContent = text; hover.hidden = false; near(event); });
      point.addEventListener("pointermove", near);
      point.addEventListener("pointerleave", () => { hover.hidden = true; });
      if (!id || !document.getElementById(id)) return;
      const choose = () => {
        svg.querySelectorAll(".marked").forEach(other => other.classList.remove("marked"));
        point.classList.add("marked");
        told(figure, id);
      };
      point.setAttribute("role", "button");
      point.setAttribute("aria-label", text);
      point.setAttribute("tabindex", chosen.length ? "-1" : "0");
      point.addEventListener("click", choose);
      chosen.push({ point, choose });
    });
    if (!chosen.length) return;
    svg.setAttribute("role", "group");  // an image may hold nothing that can be chosen
    svg.addEventListener("keydown", event => {
      const at = chosen.findIndex(one => one.point === document.activeElement);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (at < 0 || (!step && event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      if (!step) return chosen[at].choose();
      const other = chosen[(at + step + chosen.length) % chosen.length].point;
      chosen[at].point.setAttribute("tabindex", "-1");
      other.setAttribute("tabindex", "0");
      other.focus();
    });
  };

  // Figures of which one is shown at a time, by what their axes show.
  const choice = group => {
    const figures = [...group.querySelectorAll("figure")];
    if (figures.length < 2) return;
    const select = make("select", {}, ...figures.map((one, i) => new Option(one.dataset.name, i)));
    const show = () => figures.forEach((one, i) => { one.hidden = i !== +select.value; });
    select.addEventListener("change", show);
    group.prepend(make("label", {}, "Axes: ", select));
    show();
  };

  // What is wider than the screen says so, and can be scrolled with the keyboard.
  const cut = box => {
    if (box.scrollWidth <= box.clientWidth + 1) return;
    box.tabIndex = 0;
    if (!box.getAttribute("role")) { box.setAttribute("role", "group"); box.setAttribute("aria-label", "scrolls sideways"); }
    if (!box.previousElementSibling?.classList.contains("hint")) box.before(make("span", { className: "hint" }, "⇆ scrolls sideways"));
  };

  const enliven = root => {
    root.querySelectorAll("table.sortable").forEach(sortable);
    root.querySelectorAll("pre.copy").forEach(copyable);
    root.querySelectorAll("svg.chart").forEach(chart);
    root.querySelectorAll(".choice").forEach(choice);
    root.querySelectorAll(".wide, .cells > *, .drawing").forEach(cut);
    root.querySelectorAll("details").forEach(one => one.addEventListener("toggle", () => {
      one.querySelectorAll(".wide, .cells > *, .drawing").forEach(cut);
    }));
  };
  document.body.append(hover);
  enliven(document);
  addEventListener("enliven", event => enliven(event.target));  // what was put into the page later
  addEventListener("beforeprint", () => document.querySelectorAll(".choice figure").forEach(one => { one.hidden = false; }));
})();

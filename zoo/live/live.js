"use strict";
(() => {
  const strip = document.getElementById("live"), bar = strip.querySelector("progress"), facts = strip.querySelector("dl");
  const said = strip.querySelector("#live-said");
  let shown = "", fetching = false;

  const tell = found => {
    bar.value = found.share === null ? 0 : found.share;
    strip.dataset.state = found.state;
    const rows = [];
    for (const [name, text] of found.facts) {
      const row = document.createElement("div"), title = document.createElement("dt"), value = document.createElement("dd");
      title.textContent = name;
      value.textContent = text;
      row.append(title, value);
      rows.push(row);
    }
    facts.replaceChildren(...rows);
    if (said.textContent !== found.state) said.textContent = found.state;
  };

  // The report is put in the place of the old one; what the reader has opened stays open.
  const refresh = async version => {
    if (fetching || version === shown) return;
    fetching = true;
    try {
      const answer = await fetch("report", { credentials: "same-origin" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const [old, fresh] = [document.getElementById("report"), page.getElementById("report")];
      if (!fresh) return;
      const open = new Set([...old.querySelectorAll("details[open]")].map(one => one.querySelector("summary").textContent.trim()));
      const chosen = [...old.querySelectorAll(".choice select")].map(one => one.value);
      const told = [...old.querySelectorAll("figure")].map(one => one.querySelector(".told")?.dataset.of);
      fresh.querySelectorAll("details").forEach(one => {
        one.open = one.open || open.has(one.querySelector("summary").textContent.trim());
      });
      const [x, y] = [scrollX, scrollY];
      old.replaceWith(document.adoptNode(fresh));
      fresh.dispatchEvent(new Event("enliven", { bubbles: true }));
      fresh.querySelectorAll(".choice select").forEach((one, i) => {
        if (chosen[i] !== undefined && one.querySelector(`option[value="${chosen[i]}"]`)) {
          one.value = chosen[i];
          one.dispatchEvent(new Event("change"));
        }
      });
      fresh.querySelectorAll("figure").forEach((one, i) => {
        const point = [...one.querySelectorAll("[data-of]")].find(each => each.dataset.of === told[i]);
        if (point) point.dispatchEvent(new MouseEvent("click"));
      });
      document.title = page.title;
      scrollTo(x, y);
      shown = version;
    } finally {
      fetching = false;
    }
  };

  const source = new EventSource("events");
  source.addEventListener("state", event => { strip.classList.remove("lost"); tell(JSON.parse(event.data)); });
  source.addEventListener("report", event => refresh(JSON.parse(event.data)));
  source.addEventListener("error", () => { strip.classList.add("lost"); said.textContent = "the connection is lost"; });
})();

// Steps through one execution. Everything that is said of a step was worked out when the page was made; here it is only shown.
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("execution").textContent);
  const at = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  /** The numbers of the steps that are shown, and which of them was the last; -1 before the first. */
  let shown = [];
  let position = -1;

  const threads = Array.from({ length: data.threads }, (_, thread) => {
    const section = make("section", "thread");
    section.setAttribute("aria-label", "thread " + thread);
    const head = section.appendChild(make("h2"));
    head.append("T" + thread + " ", make("span", "dim mono"));
    const doing = section.appendChild(make("div", "doing mono"));
    const code = section.appendChild(make("pre", "code"));
    code.tabIndex = 0;
    code.setAttribute("aria-label", "where thread " + thread + " is in the source");
    at("stage").append(section);
    return { section, where: head.lastChild, doing, code, excerpt: undefined };
  });

  /** What all words and queues hold after the first `count` steps. */
  function replay(count) {
    const objects = data.objects.map((object) => ({ value: object.first, by: undefined, queue: [], touched: false }));
    for (let index = 0; index < count; index += 1) {
      const step = data.steps[index];
      const object = objects[step.object];
      object.touched = true;
      if (step.value !== undefined) {
        object.value = step.value;
        object.by = index;
      }
      for (const [moved, queue] of step.queues || []) {
        objects[moved].queue = queue;
        objects[moved].touched = true;
      }
    }
    return objects;
  }

  function last(thread, count) {
    for (let index = count - 1; index >= 0; index -= 1) {
      if (data.steps[index].thread === thread) return index;
    }
    return -1;
  }

  function next(thread, count) {
    for (let index = count; index < data.steps.length; index += 1) {
      if (data.steps[index].thread === thread) return index;
    }
    return -1;
  }

  function lines(excerpt) {
    return excerpt.lines.map((text, index) => {
      const line = make("span", "l");
      line.dataset.n = String(excerpt.first + index);
      const weak = (excerpt.weak || []).find((weak) => weak.line === excerpt.first + index);
      if (weak) {
        line.classList.add("weak");
        line.dataset.weak = weak.said;
        line.append(text.slice(0, weak.from), make("mark", "", text.slice(weak.from, weak.to)), text.slice(weak.to));
      } else if (text.trimStart().startsWith("//")) {
        line.append(make("span", "c", text));
      } else {
        line.append(text || " ");
      }
      return line;
    });
  }

  function showThread(thread, count, active) {
    const { section, where, doing, code } = threads[thread];
    const now = last(thread, count);
    const then = next(thread, count);
    const step = data.steps[now >= 0 ? now : then];
    section.classList.toggle("active", active);
    if (!step) {
      // It was started, and the execution failed before its first step.
      doing.textContent = "not begun";
      return;
    }
    const excerpt = data.excerpts[step.excerpt];
    if (threads[thread].excerpt !== step.excerpt) {
      threads[thread].excerpt = step.excerpt;
      code.replaceChildren(...lines(excerpt));
    }
    where.textContent = excerpt.name + ", " + step.place;
    doing.textContent = now < 0 ? "not begun" : "#" + now + " " + data.steps[now].operation + " " + data.steps[now].result;
    const line = (index) => {
      const step = data.steps[index];
      return index >= 0 && step.excerpt === threads[thread].excerpt ? code.children[step.line - excerpt.first] : undefined;
    };
    for (const marked of code.querySelectorAll(".now, .next")) {
      marked.classList.remove("now", "next");
      marked.removeAttribute("aria-current");
    }
    const soon = then >= 0 ? line(then) : undefined;
    if (soon) soon.classList.add("next");
    const here = now >= 0 ? line(now) : undefined;
    if (here) {
      here.classList.remove("next");
      here.classList.add("now");
      here.setAttribute("aria-current", "true");
    }
    const goal = here || soon;
    if (goal) code.scrollTop = goal.offsetTop - code.clientHeight / 2 + goal.offsetHeight / 2;
  }

  function showWords(count, current) {
    const rows = [];
    replay(count).forEach((object, number) => {
      const { name, shown, kind } = data.objects[number];
      if (!shown) return;
      const row = make("tr");
      const step = current >= 0 ? data.steps[current] : undefined;
      row.classList.toggle("changed", Boolean(step) && step.object === number && (step.value !== undefined || Boolean(step.queues)));
      row.append(make("td", "mono", name));
      const value = row.appendChild(make("td", "mono", kind === "queue" ? "" : object.value === undefined ? "?" : object.value));
      if (step && step.stale && step.object === number) {
        value.append(make("div", "stale", "T" + step.thread + " reads the older " + step.read));
      }
      const by = object.by === undefined ? "" : "#" + object.by + " (T" + data.steps[object.by].thread + ")";
      row.append(make("td", "mono", by || (kind === "word" ? "at first" : "")));
      row.append(make("td", "mono", object.queue.map((thread) => "T" + thread).join(", ")));
      rows.push(row);
    });
    at("words").replaceChildren(...rows);
  }

  function showStep(current) {
    const box = at("step");
    const parts = [];
    box.className = "";
    if (current < 0) {
      parts.push(make("div", "does", "Before the first step."), make("div", "dim", "Next, or the right arrow key, takes one."));
    } else {
      const step = data.steps[current];
      const does = make("div", "does mono", "#" + current + "  T" + step.thread + ": " + step.operation + " " + step.result);
      parts.push(does);
      const about = make("div", "mono", [step.order, step.from].filter(Boolean).join("  ← "));
      parts.push(about);
      if (step.stale) parts.push(make("div", "stale", "Stale: a newer value is there, and this thread has not seen it."));
      if (step.broken) parts.push(make("div", "bad", "✗ Broken on purpose: " + step.broken + "."));
      if (step.remark) parts.push(make("div", "end", "▲ " + step.remark));
      const known = step.known
        .map((upTo, thread) => [thread, upTo])
        .filter(([thread, upTo]) => thread !== step.thread && last(thread, current) >= 0)
        .map(([thread, upTo]) => (upTo > 0 ? "T" + thread + " up to #" + last(thread, upTo) : "nothing of T" + thread));
      if (known.length > 0) parts.push(make("div", "dim", "Ordered before this step: " + known.join(", ") + "."));
      box.classList.toggle("broken", Boolean(step.broken));
      box.classList.toggle("failing", !step.broken && Boolean(step.remark));
      if (current === data.steps.length - 1) parts.push(make("p", "", data.caption));
    }
    box.replaceChildren(...parts);
  }

  function showList(current) {
    const known = current >= 0 ? data.steps[current].known : [];
    Array.from(at("steps").children).forEach((item, index) => {
      const step = data.steps[index];
      item.classList.toggle("now", index === current);
      item.classList.toggle("later", index > current);
      item.classList.toggle("before", index < current && index < (known[step.thread] || 0));
      item.classList.toggle("hidden", !shown.includes(index));
      const link = item.firstElementChild;
      if (index === current) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    });
  }

  function show(to, keepAddress) {
    position = Math.max(-1, Math.min(shown.length - 1, to));
    const current = position < 0 ? -1 : shown[position];
    const count = current + 1;
    showStep(current);
    showWords(count, current);
    threads.forEach((_, thread) => showThread(thread, count, current >= 0 && data.steps[current].thread === thread));
    showList(current);
    at("back").disabled = position < 0;
    at("next").disabled = position === shown.length - 1;
    at("slider").max = String(shown.length);
    at("slider").value = String(position + 1);
    const where = position < 0 ? "begin" : "step " + (position + 1) + " of " + shown.length;
    at("slider").setAttribute("aria-valuetext", where);
    at("where").textContent = (position + 1) + " / " + shown.length;
    if (!keepAddress) {
      // A page from a file may not be allowed to: then there is no deep link, and that is all.
      try { history.replaceState(null, "", current < 0 ? "#begin" : "#step-" + current); } catch (_) { /* as said */ }
    }
  }

  function choose() {
    const current = position < 0 ? -1 : shown[position];
    const all = at("all").checked;
    shown = data.steps.map((_, index) => index).filter((index) => all || !data.steps[index].aside);
    let to = -1;
    shown.forEach((index, place) => { if (index <= current) to = place; });
    position = to;
  }

  function fromAddress() {
    const match = /^#step-(\d+)$/.exec(location.hash);
    if (!match) return show(-1, true);
    const wanted = Number(match[1]);
    if (data.steps[wanted] && data.steps[wanted].aside && !at("all").checked) {
      at("all").checked = true;
      choose();
    }
    let to = -1;
    shown.forEach((index, place) => { if (index <= wanted) to = place; });
    show(to, true);
  }

  at("back").addEventListener("click", () => show(position - 1));
  at("next").addEventListener("click", () => show(position + 1));
  at("slider").addEventListener("input", () => show(Number(at("slider").value) - 1));
  at("all").addEventListener("change", () => { choose(); show(position); });
  at("steps").addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (!item) return;
    event.preventDefault();
    show(shown.indexOf(Array.from(at("steps").children).indexOf(item)));
    at("controls").scrollIntoView({ block: "start" });
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target === at("slider")) return;
    const to = { ArrowRight: position + 1, ArrowLeft: position - 1, Home: -1, End: shown.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
  window.addEventListener("hashchange", fromAddress);

  if (!data.steps.some((step) => step.aside)) at("all").parentElement.hidden = true;
  document.documentElement.classList.add("js");
  choose();
  fromAddress();

  // `#test`: clicks itself through, and says what came of it.
  if (location.hash === "#test") {
    const check = (holds, what) => { if (!holds) throw new Error(what + " at " + at("where").textContent); };
    let said;
    try {
      show(-1);
      let steps = 0;
      while (!at("next").disabled) {
        at("next").click();
        steps += 1;
        const index = shown[position];
        check(position === steps - 1, "next");
        check(at("step").textContent.includes("#" + index + " "), "the step is not said");
        check(threads[data.steps[index].thread].code.querySelector(".now"), "no line is marked");
        check(at("steps").children[index].classList.contains("now"), "the list");
        check(location.hash === "#step-" + index, "the address");
      }
      check(steps === shown.length && steps > 0, "not all steps");
      document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
      check(position === steps - 2, "the left arrow");
      at("slider").value = "1";
      at("slider").dispatchEvent(new Event("input"));
      check(position === 0, "the slider");
      at("back").click();
      check(position === -1 && at("back").disabled, "back");
      at("all").click();
      check(shown.length === data.steps.length, "all steps");
      at("steps").lastElementChild.firstElementChild.click();
      check(position === data.steps.length - 1, "a click in the list");
      check(document.documentElement.scrollWidth <= window.innerWidth, "wider than the window");
      said = "ok " + steps;
    } catch (error) {
      said = "error: " + error.message;
    }
    document.body.dataset.test = said;
    if (window.parent !== window) window.parent.postMessage({ page: data.page, said }, "*");
  }
})();

// The report's own script. It unpacks data from the file itself and shows them; every text becomes a text node, never markup.
"use strict";
(() => {
  const head = JSON.parse(document.getElementById("head").textContent);
  const PAGE = 100; // rows drawn at once; more on a click
  const UNKNOWN = "–";

  // ------------------------------------------------------------------------------------------------------------- elements

  /** An element. Children are nodes, texts or null; attributes that are null, undefined or false are left out. */
  function h(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : String(value));
    }
    made.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== "").map(child => child instanceof Node ? child : String(child)));
    return made;
  }
  const byId = name => document.getElementById(name);
  const fill = (host, ...children) => { host.replaceChildren(...children.flat(Infinity).filter(Boolean)); return host; };

  // -------------------------------------------------------------------------------------------------------------- unpacking

  const opened = new Map();

  /** The text of a packed block; opened once, kept while it is among the last few. */
  async function text(name) {
    const element = byId(name);
    if (!element) throw new Error("This file has no part " + name + "; it may have been cut.");
    const bytes = Uint8Array.from(atob(element.textContent), char => char.charCodeAt(0));
    if (typeof DecompressionStream === "undefined") throw new Error("This browser is too old to unpack the file (it needs Chromium 80, Firefox 113 or Safari 16.4).");
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  }
  function open(name) {
    if (!opened.has(name)) {
      if (opened.size > 40) opened.delete([...opened.keys()].find(key => /^b-(day|memory)-/.test(key)));
      opened.set(name, text(name).then(JSON.parse));
    }
    return opened.get(name);
  }
  const rows = found => found.rows.map(row => Object.fromEntries(found.columns.map((name, at) => [name, row[at]])));
  const zipped = (columns, row) => Object.fromEntries(columns.map((name, at) => [name, row[at]]));

  // --------------------------------------------------------------------------------------------------------------- numbers

  const known = value => typeof value === "number" && Number.isFinite(value);
  const grouped = digits => new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const number = (value, digits = 2) => known(value) ? grouped(digits).format(value) : UNKNOWN;
  function percent(value, digits = 1, sign = false) {
    if (!known(value)) return UNKNOWN;
    const shown = (100 * value).toFixed(digits);
    if (Number(shown) === 0) return (sign ? "+" : "") + shown.replace("-", "") + "%";
    return (sign && value > 0 ? "+" : "") + shown + "%";
  }
  const signed = value => percent(value, 1, true);
  const shares = value => known(value) ? String(Number(value.toFixed(4))) : UNKNOWN;
  const moment = value => value ? value.slice(0, 16).replace("T", " ") + " UTC" : UNKNOWN;
  const count = (n, noun, many) => n + " " + (n === 1 ? noun : many || noun + "s");
  const words = value => String(value ?? "").replaceAll("_", " ");

  // ----------------------------------------------------------------------------------------------------------------- links

  const anchor = ticker => head.anchors[head.tickers.indexOf(ticker)] ?? encodeURIComponent(ticker);
  const dayHref = (ticker, day) => "#d-" + anchor(ticker) + "-" + day;
  const memoryHref = (ticker, id) => "#m-" + anchor(ticker) + "-" + id;
  const dayLink = (ticker, day, label) => day ? h("a", { href: dayHref(ticker, day) }, label || day) : UNKNOWN;
  const memoryLink = (ticker, id, label) => h("a", { href: memoryHref(ticker, id) }, label || "memory " + id);

  const verdict = action => action in head.glyphs ? action : "no decision";
  function pill(action, phase) {
    if (phase === "train") return h("span", { class: "pill" }, "✎ study");
    const word = verdict(action);
    return h("span", { class: "pill act-" + word.replace(" ", "-") }, head.glyphs[word] + " " + word);
  }
  const layer = name => h("span", { class: "layer", style: "border-color:var(--layer-" + (/^[a-z]+$/.test(name) ? name : "long") + ",var(--muted))" }, (head.layer_glyphs[name] || "◌") + " " + name);
  const JUDGED = { "1": "✓ right", "0": "○ undecided", "-1": "✗ wrong" };
  const judged = value => known(value) ? JUDGED[String(value)] : "";
  const provenance = value => head.rules && ["model", "re-asked", "cached"].includes(value) ? "rule" : value || "";

  // ---------------------------------------------------------------------------------------------------------------- tables

  /**
   * A table that sorts by its headings and filters by words and choices. A column: key, label, help, num, show(row), sort(row), find(row).
   */
  function table(host, { name, columns, data, choices = [], first = null, empty = "Nothing here." }) {
    if (!data.length) { fill(host, h("p", { class: "muted" }, empty)); return; }
    let order = first || { at: 0, down: false }, shown = PAGE;
    const search = h("input", { type: "search", placeholder: "Find words", "aria-label": "Find words in " + name, oninput: () => { shown = PAGE; draw(); } });
    const selects = choices.map(choice => {
      const options = [...new Set(data.map(choice.of))].sort();
      return h("select", { "aria-label": choice.label, onchange: () => { shown = PAGE; draw(); } }, h("option", { value: "" }, choice.label + ": all"), options.map(option => h("option", { value: option }, option || "none")));
    });
    const told = h("span", { class: "muted", role: "status" });
    const buttons = columns.map((column, at) => h("button", { type: "button", title: column.help, onclick: () => { order = { at, down: order.at === at ? !order.down : Boolean(column.num) }; draw(); } }, column.label));
    const heads = columns.map((column, at) => h("th", { scope: "col", class: column.num ? "num" : null }, buttons[at]));
    const body = h("tbody");
    const more = h("button", { type: "button", onclick: () => { shown += 5 * PAGE; draw(); } });
    const key = column => column.sort || (row => row[column.key]);
    const haystack = new Map(data.map(row => [row, columns.map(column => String((column.find || key(column))(row) ?? "")).join(" ").toLowerCase()]));

    function kept() {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      return data.filter(row => selects.every((select, at) => !select.value || choices[at].of(row) === select.value) && wanted.every(word => haystack.get(row).includes(word)));
    }
    function compare(a, b) {
      const of = key(columns[order.at]), [x, y] = [of(a), of(b)];
      const [noX, noY] = [x, y].map(value => value === null || value === undefined || value === "");
      if (noX || noY) return noX - noY; // what is not known comes last, whichever way
      const found = x < y ? -1 : x > y ? 1 : 0;
      return order.down ? -found : found;
    }
    function draw() {
      const found = kept().sort(compare);
      heads.forEach((cell, at) => cell.setAttribute("aria-sort", at === order.at ? (order.down ? "descending" : "ascending") : "none"));
      fill(body, found.slice(0, shown).map(row => h("tr", null, columns.map(column => h("td", { class: [column.num ? "num" : "", column.cls || ""].join(" ").trim() || null }, column.show ? column.show(row) : row[column.key] ?? "")))));
      told.textContent = found.length === data.length ? count(data.length, "row") : found.length + " of " + count(data.length, "row");
      more.textContent = "Show more rows (" + (found.length - shown) + " are not shown)";
      more.hidden = found.length <= shown;
    }
    fill(host, h("div", { class: "controls" }, search, selects, told), h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": name }, h("table", null, h("thead", null, h("tr", null, heads)), body)), more);
    draw();
  }

  // ---------------------------------------------------------------------------------------------------------------- charts

  const dark = window.matchMedia("screen and (prefers-color-scheme: dark)");
  let library = null;

  function plotly() {
    library = library || text("b-plotly").then(body => {
      const script = document.createElement("script");
      script.textContent = body; // its hash is in the file's content security policy
      document.head.append(script);
      if (!window.Plotly) throw new Error("The drawing library did not start.");
    });
    return library;
  }
  async function chart(place, light = false) {
    const schemes = await open("b-chart-" + place.dataset.chart);
    await plotly();
    const { data, layout } = structuredClone(schemes[dark.matches && !light ? "dark" : "light"]);
    const still = place.querySelector(".still");
    if (still) still.remove();
    const narrow = place.clientWidth < 600 ? { margin: { ...layout.margin, r: 4 } } : {};
    await window.Plotly.react(place, data, { ...layout, ...narrow, autosize: true }, { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d"] });
    if (place.dataset.drawn) return;
    place.dataset.drawn = "yes";
    const ticker = head.tickers[Number((place.dataset.chart.match(/^price-(\d+)$/) || [])[1])];
    if (ticker) place.on("plotly_click", event => {
      const found = event.points[0], day = String([found.customdata ?? found.x].flat()[0]).slice(0, 10);
      if (/^\d{4}-\d\d-\d\d$/.test(day)) location.hash = dayHref(ticker, day).slice(1);
    });
  }
  const places = () => [...document.querySelectorAll("[data-chart]")];
  function charts() {
    const seen = new IntersectionObserver(found => found.filter(one => one.isIntersecting).forEach(one => { seen.unobserve(one.target); attempt(() => chart(one.target), one.target); }), { rootMargin: "300px" });
    places().forEach(place => seen.observe(place));
    const again = light => Promise.all(places().filter(place => place.dataset.drawn).map(place => chart(place, light)));
    dark.addEventListener("change", () => again(false));
    window.addEventListener("beforeprint", () => again(true));
    window.addEventListener("afterprint", () => again(false));
  }

  /** Whatever goes wrong is said where it would have stood. */
  async function attempt(work, host) {
    try { return await work(); } catch (error) { host.append(h("p", { class: "note bad" }, "This part cannot be shown: " + error.message)); return null; }
  }

  // ------------------------------------------------------------------------------------------------------------- decisions

  let days = [];
  const place = new Map(); // "ticker day" -> row

  async function decisions() {
    const found = await open("b-days");
    days = Object.entries(found.rows).flatMap(([ticker, list]) => list.map(row => ({ ticker, ...zipped(found.columns, row) })));
    days.forEach(row => place.set(row.ticker + " " + row.day, row));
    const several = head.tickers.length > 1;
    table(byId("decisions-table"), {
      name: "Decisions", data: days, first: { at: 0, down: true }, empty: "No day is recorded yet.",
      choices: [
        ...(several ? [{ label: "Ticker", of: row => row.ticker }] : []),
        { label: "Decision", of: row => row.phase === "train" ? "study" : verdict(row.action) },
        { label: "Decided by", of: row => row.phase === "train" ? "" : provenance(row.provenance) },
        { label: "Trace", of: row => row.trace === null ? "not in this file" : "whole" },
      ],
      columns: [
        { key: "day", label: "Day", show: row => dayLink(row.ticker, row.day), find: row => row.day + (row.trace === null ? "" : " trace") },
        ...(several ? [{ key: "ticker", label: "Ticker" }] : []),
        { key: "action", label: "Decision", help: "▲ buy, ■ hold, ▼ sell, ○ no decision (the position stays; not the same as hold)", show: row => pill(row.action, row.phase), find: row => row.phase === "train" ? "study" : verdict(row.action) },
        { key: "target_weight", label: "Target", num: true, help: "Share of equity wished for", show: row => percent(row.target_weight, 0) },
        { key: "confidence", label: "Confidence", num: true, help: "As the model gave it, 0 to 100 %", show: row => percent(row.confidence, 0) },
        { key: "provenance", label: "By", help: "Who decided: model, re-asked, cached, rule, abstained", show: row => row.phase === "train" ? "" : provenance(row.provenance) },
        { key: "cited_count", label: "Cited", num: true, help: "Memories cited of those recalled", show: row => row.cited_count + " of " + row.recalled_count },
        { key: "settled_status", label: "Order", help: "What became of the day's order", show: row => orderWords(row), sort: row => orderWords(row) },
        { key: "next_return", label: "Next day", num: true, help: "Close to next close, splits accounted for", show: row => signed(row.next_return) },
        { key: "outcome", label: "Outcome", num: true, help: "Move of the price over the judged horizon", show: row => signed(row.outcome) },
        { key: "verdict", label: "Judged", help: "Whether the decision turned out right", show: row => judged(row.verdict) },
        { key: "equity", label: "Equity", num: true, help: "Of this ticker's sleeve at the close, money", show: row => number(row.equity, 0) },
        { key: "answer_tokens", label: "Tokens", num: true, help: "Of prompts and answers, as counted by the server", show: row => number(row.prompt_tokens + row.answer_tokens, 0), sort: row => row.prompt_tokens + row.answer_tokens },
        { key: "summary", label: "In its own words", cls: "long", show: row => h("div", { class: "clamp" }, row.abstained ? "No decision: " + row.abstained : (row.summary || "").slice(0, 300)), find: row => (row.abstained || "") + " " + (row.summary || "") },
      ],
    });
  }
  function fate(row) {
    return days.find(other => other.ticker === row.ticker && other.settled_day === row.day);
  }
  let fates = null;
  function orderWords(row) {
    if (row.order_status === null) return "";
    if (!fates) { fates = new Map(); days.forEach(other => { if (other.settled_day) fates.set(other.ticker + " " + other.settled_day, other); }); }
    const ended = fates.get(row.ticker + " " + row.day);
    return ended ? ended.settled_status : row.order_status;
  }

  const shelf = new Map(); // ticker -> Promise of (memory id -> title)
  function titles(ticker) {
    if (!shelf.has(ticker)) shelf.set(ticker, open("b-memories-" + head.tickers.indexOf(ticker)).then(found => new Map(rows(found).map(row => [row.id, row.title]))));
    return shelf.get(ticker);
  }

  // ------------------------------------------------------------------------------------------------------ one day, as steps

  const OPEN = new Set(["Decision", "Study", "Outcome"]);
  function step(title, gist, ...body) {
    return h("details", { class: "step", open: OPEN.has(title), "data-step": title.toLowerCase() }, h("summary", null, h("b", null, title), " ", h("span", { class: "muted" }, gist)), body);
  }
  const box = (body, label) => h("pre", { tabindex: 0, "aria-label": label }, body);
  const list = (items) => h("dl", { class: "facts" }, items.filter(Boolean).map(([label, value, meaning]) => h("div", null, h("dt", null, label), h("dd", null, value, meaning ? h("small", null, meaning) : null))));
  const simple = (caption, heads, body, numbers = [], kind = "") => h("div", { class: "wide " + kind, tabindex: 0, role: "region", "aria-label": caption }, h("table", null, h("caption", { class: "away" }, caption), h("thead", null, h("tr", null, heads.map((name, at) => h("th", { scope: "col", class: numbers.includes(at) ? "num" : null }, name)))), h("tbody", null, body.map(row => h("tr", null, row.map((cell, at) => h("td", { class: numbers.includes(at) ? "num" : null }, cell ?? "")))))));

  function cited(record) {
    const { decision, study } = record.thought;
    return new Set(decision ? Object.values(decision.cited).flat() : study ? [...study.supporting, ...study.opposing] : []);
  }

  async function day(ticker, date) {
    const host = byId("day-view"), row = place.get(ticker + " " + date);
    host.tabIndex = -1;
    if (!row) { fill(host, h("p", { class: "note bad" }, "There is no day " + date + " of " + ticker + " in this run.")); return host; }
    const mine = days.filter(other => other.ticker === ticker).sort((a, b) => a.day < b.day ? -1 : 1), at = mine.indexOf(row);
    const turn = (other, label, key) => other ? h("a", { href: dayHref(ticker, other.day), class: "button", "data-turn": key }, label) : h("span", { class: "button off" }, label);
    const top = h("div", { class: "dayhead" },
      h("h3", { id: "d-" + anchor(ticker) + "-" + date }, ticker + " · " + date, " ", pill(row.action, row.phase)),
      turn(mine[at - 1], "← previous (J)", "j"), turn(mine[at + 1], "next (K) →", "k"),
      h("button", { type: "button", onclick: () => host.querySelectorAll("details.step").forEach(one => { one.open = true; }) }, "Open every step"),
      h("button", { type: "button", onclick: () => { history.replaceState(null, "", "#decisions"); fill(host); } }, "Close"));
    if (row.trace === null) {
      fill(host, top, h("p", { class: "note mild" }, "The whole trace of this day is not in this file; its figures are."), figures(row));
      return host;
    }
    fill(host, top, h("p", { class: "muted" }, "Unpacking…"));
    const [record, shared, known_as] = await Promise.all([open("b-day-" + row.trace), open("b-shared"), titles(ticker)]);
    const title = id => known_as.get(id) || "";
    const t = record.thought, steps = [];
    steps.push(observed(record), recalled(record, title), asked(record, shared), thinking(record), answered(record));
    steps.push(record.phase === "train" ? studied(record, title) : decided(record, title), ordered(record, row), outcome(record, row), changed(record, title));
    const warned = [...record.warnings, ...t.warnings].map(line => h("p", { class: "note bad" }, "⚠ " + line));
    fill(host, top, warned, h("div", { class: "steps" }, steps));
    return host;
  }
  const figures = row => list([["Close", number(row.close)], ["Target", percent(row.target_weight, 0)], ["Confidence", percent(row.confidence, 0)], ["Cited", row.cited_count + " of " + row.recalled_count], ["Order", orderWords(row)], ["Next day", signed(row.next_return)], ["Outcome", signed(row.outcome), judged(row.verdict)], ["Equity", number(row.equity, 0)], ["Summary", row.summary || ""]]);

  const INDICATORS = [["return_1", "1 session", signed], ["return_5", "5 sessions", signed], ["return_20", "20 sessions", signed], ["momentum_60", "60 sessions", signed], ["volatility_20", "Daily volatility", percent], ["rsi_14", "RSI 14", value => number(value, 0)], ["volume_ratio_20", "Volume × 20-day mean", value => number(value, 1)], ["sma_20_gap", "against SMA 20", signed], ["ema_20_gap", "against EMA 20", signed], ["macd_12_26", "MACD / price", value => percent(value, 2, true)], ["macd_signal_9", "its signal 9", value => percent(value, 2, true)], ["atr_14", "ATR / price", percent], ["bollinger_20", "Bollinger %b", number]];
  function observed(record) {
    const o = record.observation, bar = o.bar, held = o.portfolio;
    const gist = (bar ? "close " + number(bar.close) + " (" + signed(o.price.return_1) + ")" : "no price") + ", " + count(o.news.length, "news item") + ", " + count(o.filings.length, "filing section");
    return step("Observed", gist,
      bar ? list([["Open, high, low, close", [bar.open, bar.high, bar.low, bar.close].map(value => number(value)).join(" · "), "as traded on the day"], ["Volume", number(bar.volume, 0)], ...INDICATORS.filter(([key]) => known(o.price[key])).map(([key, label, show]) => [label, show(o.price[key])])]) : h("p", null, "No price for this session, so no decision was asked for."),
      h("p", null, "Position: " + (held.shares ? percent(o.weight) + " of equity, " + shares(held.shares) + " shares bought at " + number(held.average_cost) + " on average" : "none") + "; cash " + number(held.cash, 0) + ", equity " + number(o.equity, 0) + "."),
      o.dividend ? h("p", null, "Ex dividend: " + o.dividend + " per share.") : null,
      o.split !== 1 ? h("p", null, "Split: " + o.split + " new shares for each old one.") : null,
      h("p", { class: "muted" }, "Knowledge ends at the close, " + moment(o.cutoff) + "; newest text readable " + moment(o.watermark) + "."),
      o.unsourced.length ? h("p", { class: "muted" }, "No source covers " + o.unsourced.join(", ") + ": silence is not “nothing happened”.") : null,
      o.fundamentals.length ? simple("Fundamentals", ["figure", "value", "period end", "form", "filed", "readable"], o.fundamentals.map(f => [words(f.name), String(f.value) + (f.unit ? " " + f.unit : ""), f.period_end, f.form, f.filed, moment(f.available_at)]), [1]) : null,
      o.news.map(item => h("article", { class: "item" }, h("small", null, (item.publisher || "unknown publisher") + " · published " + moment(item.published_at) + ", readable " + moment(item.available_at)), h("div", { class: "text" }, h("b", null, item.title), item.summary && item.summary.trim() !== item.title.trim() ? "\n" + item.summary : ""), item.url ? h("small", { class: "source" }, item.url) : null)),
      o.filings.map(item => h("details", null, h("summary", null, item.form + " " + words(item.section) + " (" + (item.period_end || "period unknown") + "), " + number(item.text.length, 0) + " characters"), h("small", null, "accepted " + moment(item.accepted_at) + ", readable " + moment(item.available_at)), box(item.text, "Filing section"))));
  }

  function bar(parts) {
    const names = ["similarity", "recency", "importance"], title = names.map(name => name + " " + number(parts[name], 3)).join(" + ") + " = " + number(parts.score, 3);
    return h("span", { class: "bar", role: "img", title, "aria-label": title }, names.map(name => h("i", { style: "width:" + (100 * Math.max(0, Math.min(1, parts[name])) / 3).toFixed(2) + "%;background:var(--part-" + name + ")" })));
  }
  const key = () => h("p", { class: "muted" }, "Score is the sum of three parts, each 0 to 1: ", ["similarity", "recency", "importance"].map(name => [h("i", { class: "key", style: "background:var(--part-" + name + ")" }), name + " "]));
  function recalled(record, title) {
    const found = record.thought.recalls, was = cited(record), missed = found.filter(item => item.near_miss).length;
    const layers = [...new Set(found.map(item => item.layer))];
    const line = item => [memoryLink(record.ticker, item.memory_id, String(item.memory_id)), h("div", { class: "title" }, title(item.memory_id).slice(0, 160)), item.near_miss ? "✂ just missed" : "rank " + item.rank, was.has(item.memory_id) ? "★ cited" : "", bar(item), number(item.similarity, 3), number(item.recency, 3), number(item.importance, 3), number(item.score, 3)];
    return step("Recalled", (found.length - missed) + " memories, " + [...was].length + " cited, " + missed + " just missed",
      record.thought.query ? h("details", null, h("summary", null, "The question put to memory"), box(record.thought.query, "Recall query")) : null,
      found.length ? key() : h("p", null, "Nothing was recalled: the memory was empty."),
      layers.map(name => [h("h4", null, layer(name)), simple("Recalled from " + name, ["memory", "title", "rank", "use", "parts", "similarity", "recency", "importance", "score"], found.filter(item => item.layer === name).map(line), [5, 6, 7, 8], "recalls")]));
  }

  const PURPOSES = { decide: "decision", study: "study", lessons: "lessons", digest: "digest" };
  const callName = (call, at, all) => PURPOSES[call.purpose] + (call.attempt > 1 ? ", attempt " + call.attempt : "") + (all.filter(other => other.purpose === call.purpose && other.attempt === call.attempt).length > 1 ? " (" + (at + 1) + ")" : "");
  function asked(record, shared) {
    const { calls, segments, left_out } = record.thought;
    const system = call => shared[call.system] ?? "";
    const tokens = segments.reduce((sum, one) => sum + one.tokens, 0);
    const cut = Date.parse(record.observation.cutoff);
    const age = one => one.available_at ? number(Math.max(0, (cut - Date.parse(one.available_at)) / 86400000), 1) + " days" : "fixed";
    const words_of = one => one.at ? (one.role === "system" ? system(calls[one.at[0]]) : calls[one.at[0]].user).slice(one.at[1], one.at[1] + one.at[2]) : one.text || "";
    return step("Asked", calls.length ? count(calls.length, "call") + ", " + count(segments.length, "segment") + ", about " + number(tokens, 0) + " tokens" + (left_out.length ? ", " + left_out.length + " left out" : "") : "the model was not asked",
      calls.map((call, at) => h("details", null, h("summary", null, "Prompt: " + callName(call, at, calls)),
        call.cut_to !== null ? h("p", { class: "note bad" }, "⚠ The server read only " + number(call.cut_to, 0) + " tokens of this prompt: it was cut.") : null,
        h("small", null, "hash " + call.prompt_hash), h("h4", null, "System"), box(system(call), "System prompt"), h("h4", null, "User"), box(call.user, "User prompt"))),
      segments.length ? h("details", null, h("summary", null, "By segments, with size and age"), segments.map(one => h("details", null, h("summary", null, words(one.name) + " · " + PURPOSES[one.purpose] + " · about " + number(one.tokens, 0) + " tokens (" + percent(tokens ? one.tokens / tokens : null, 0) + ") · " + age(one), one.memory_id !== null ? [" · ", memoryLink(record.ticker, one.memory_id)] : null), box(words_of(one), "Segment")))) : null,
      left_out.length ? h("details", null, h("summary", null, count(left_out.length, "thing") + " left out for lack of room"), h("ul", null, left_out.map(one => h("li", null, words(one.segment) + ", about " + number(one.tokens, 0) + " tokens: " + one.reason + " ", one.memory_id !== null ? memoryLink(record.ticker, one.memory_id) : null)))) : null);
  }
  function thinking(record) {
    const found = record.thought.calls.map((call, at) => [call, at]).filter(([call]) => call.completion && call.completion.thinking);
    return step("Thinking", found.length ? count(found.length, "chain", "chains") + " of thought" : "none handed over by the backend", found.map(([call, at]) => h("details", null, h("summary", null, callName(call, at, record.thought.calls) + ", " + number(call.completion.thinking.length, 0) + " characters"), box(call.completion.thinking, "Thinking"))));
  }
  // An escape in the answer's JSON becomes its letter when it is parsed: one that turns writing round or hides is written as an escape again.
  const UNSEEN = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/g;
  function pretty(body) {
    try {
      const laid = JSON.stringify(JSON.parse(body), null, 1);
      return laid.replace(UNSEEN, char => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0")).replace(/(\p{M}{8})\p{M}+/gu, "$1");
    } catch { return null; }
  }
  function answered(record) {
    const calls = record.thought.calls, bad = calls.filter(call => call.error).length, ms = calls.reduce((sum, call) => sum + call.ms, 0);
    return step("Answered", calls.length ? (bad ? bad + " of " + calls.length + " could not be used" : "valid at the first try") + ", " + number(ms, 0) + " ms" : "nothing", calls.map((call, at) => {
      const said = call.completion, json = said && pretty(said.text);
      return [h("h4", null, callName(call, at, calls)),
        call.error ? h("p", { class: "note bad" }, "✗ Could not be used: " + call.error) : null,
        said ? [list([["Model", said.backend + " · " + said.model, said.digest ? "digest " + said.digest : ""], ["Tokens", number(said.prompt_tokens, 0) + " read, " + number(said.answer_tokens, 0) + " written"], said.way ? ["Bound by", said.way] : null, said.cached ? ["Cache", "from the answer cache"] : null, ["Ended", said.done_reason], ["Time", number(call.ms, 0) + " ms"]]),
          box(json || said.text, "Answer"), json ? h("details", null, h("summary", null, "Word for word"), box(said.text, "Raw answer")) : null] : h("p", null, "No answer came.")];
    }));
  }
  const reason = (ticker, one, title) => h("li", null, h("span", { class: "weight", title: one.weight + " of 10" }, "■".repeat(one.weight) + "□".repeat(Math.max(0, 10 - one.weight))), " " + one.weight + " of 10", h("div", { class: "text" }, one.claim), one.memories.map(id => h("div", null, memoryLink(ticker, id), title(id) ? " – " + title(id).slice(0, 90) : "")), one.facts.length ? h("small", null, "facts: " + one.facts.join(", ")) : null);
  function decided(record, title) {
    const d = record.thought.decision;
    if (!d) return step("Decision", "none recorded");
    const side = (heading, found) => h("div", null, h("h4", null, heading + " · weight " + found.reduce((sum, one) => sum + one.weight, 0)), found.length ? h("ul", { class: "reasons" }, [...found].sort((a, b) => b.weight - a.weight).map(one => reason(record.ticker, one, title))) : h("p", { class: "muted" }, "Nothing was named on this side."));
    const chances = Object.entries(d.probabilities).map(([name, value]) => name + " " + percent(value, 0)).join(", ");
    return step("Decision", head.glyphs[verdict(d.action)] + " " + verdict(d.action) + (known(d.target_weight) && d.action !== "hold" ? " to " + percent(d.target_weight, 0) + " of equity" : ""),
      d.abstained ? h("p", { class: "note mild" }, "○ No decision, the position stays as it was: " + d.abstained) : null,
      d.summary ? h("p", { class: "text" }, d.summary) : null,
      list([["Target", percent(d.target_weight, 0), "share of equity"], ["Confidence", percent(d.confidence, 0)], ["Horizon", known(d.horizon_sessions) ? count(d.horizon_sessions, "session") : UNKNOWN], ["Expected", d.expected_direction || UNKNOWN, chances], ["Decided by", provenance(d.provenance)], d.character ? ["Character", words(d.character)] : null, d.clipped_by.length ? ["Limited by", d.clipped_by.map(words).join(", ")] : null, known(d.stop_loss_pct) ? ["Stop loss", percent(d.stop_loss_pct)] : null, known(d.take_profit_pct) ? ["Take profit", percent(d.take_profit_pct)] : null]),
      h("div", { class: "sides" }, side("For", d.reasons_for), side("Against", d.reasons_against)),
      d.invalidation ? h("p", { class: "text" }, "Would be wrong if: " + d.invalidation) : null,
      d.flags.map(flag => h("p", { class: "note bad" }, "⚠ " + flag)),
      h("p", null, "Cited: ", Object.entries(d.cited).flatMap(([name, ids]) => ids.length ? [layer(name), " ", ids.map(id => [memoryLink(record.ticker, id), " "])] : []), Object.values(d.cited).flat().length ? null : "nothing"));
  }
  function studied(record, title) {
    const s = record.thought.study;
    if (!s) return step("Study", "training day, nothing to study yet");
    const links = ids => ids.length ? ids.map(id => h("div", null, memoryLink(record.ticker, id), title(id) ? " – " + title(id).slice(0, 90) : "")) : "none";
    return step("Study", "training day: " + s.session + " moved " + percent(s.move, 2, true) + ", so " + s.label + " was right",
      s.abstained ? h("p", { class: "note mild" }, "○ No study: " + s.abstained) : null, h("p", null, "The session studied: ", dayLink(record.ticker, s.session)), h("p", { class: "text" }, s.summary), h("div", { class: "sides" }, h("div", null, h("h4", null, "Supporting"), links(s.supporting)), h("div", null, h("h4", null, "Opposing"), links(s.opposing))));
  }
  function ordered(record, row) {
    const o = record.order, s = record.settled, ended = fate(row);
    return step("Order", (record.fills.length ? count(record.fills.length, "fill") + ", " : "") + (o ? "new order for " + percent(o.weight, 0) + " of equity" : "no new order"),
      record.fills.map(fill => h("p", null, (fill.shares > 0 ? "▲ bought " : "▼ sold ") + shares(Math.abs(fill.shares)) + " at " + number(fill.price, 4) + " (reference " + number(fill.reference, 4) + "), commission " + number(fill.commission) + ", slippage " + number(fill.slippage) + (fill.realised !== null ? ", realised " + number(fill.realised) : "") + ", by " + words(fill.cause) + (fill.note ? ". " + fill.note : ""))),
      s ? h("p", null, "The order of ", dayLink(record.ticker, s.day), " ended today: " + s.status + (s.reason ? ", " + s.reason : "") + ".") : null,
      o ? h("p", null, "New order: target " + percent(o.weight) + " of equity (wished " + percent(o.wished) + ")" + (o.reason ? ", " + o.reason : "") + "; " + o.status + " at this close.") : null,
      o && ended ? h("p", null, "Later: ", dayLink(record.ticker, ended.day), " " + ended.settled_status + (ended.settled_status === "filled" ? ", " + shares(ended.fill_shares) + " shares at " + number(ended.fill_price, 4) : "") + (ended.settled_reason ? ", " + ended.settled_reason : "") + ".") : null,
      h("p", { class: "muted" }, "After the session: cash " + number(record.portfolio.cash, 2) + ", " + shares(record.portfolio.shares) + " shares, equity " + number(record.equity, 2) + "; buy and hold " + number(record.benchmark_equity, 2) + "."));
  }
  function outcome(record, row) {
    return step("Outcome", (known(row.next_return) ? "next session " + signed(row.next_return) : "next session not known") + (known(row.verdict) ? ", judged " + judged(row.verdict) : ""),
      h("p", null, known(row.next_return) ? "Later: close to next close " + percent(row.next_return, 2, true) + "." : "The next session is not recorded."),
      known(row.verdict) ? h("p", null, "Later: over its horizon the price moved " + percent(row.outcome, 2, true) + "; the decision was " + judged(row.verdict) + ".") : h("p", { class: "muted" }, "This decision was not judged: it did not trade, or its horizon had not passed."),
      record.outcomes.map(one => h("p", null, "Judged today: the decision of ", dayLink(record.ticker, one.decided), ", " + (one.direction > 0 ? "up" : one.direction < 0 ? "down" : "no change") + " from " + number(one.entry) + " to " + number(one.exit) + " (" + percent(one.move, 2, true) + ") in " + count(one.sessions, "session") + ": " + judged(one.verdict))));
  }
  const EVENTS = { remembered: "☆ remembered", merged: "⊕ merged", cited: "★ cited", credited: "◆ credited", promoted: "▲ promoted", demoted: "▼ demoted", forgotten: "✕ forgotten" };
  function changed(record, title) {
    const found = record.thought.memory_events, counts = {};
    found.forEach(event => { counts[event.kind] = (counts[event.kind] || 0) + 1; });
    return step("Memory", Object.entries(counts).map(([kind, n]) => n + " " + kind).join(", ") || "no change",
      found.length ? simple("Memory changes", ["what", "memory", "title", "layer", "importance as last set", "change", "why"], found.map(event => [EVENTS[event.kind], memoryLink(record.ticker, event.memory_id, String(event.memory_id)), h("div", { class: "title" }, title(event.memory_id).slice(0, 160)), (event.before_layer && event.before_layer !== event.after.layer ? event.before_layer + " → " : "") + event.after.layer, number(event.after.importance, 1), event.delta ? (event.delta > 0 ? "+" : "") + number(event.delta, 1) : "", event.reason]), [4, 5], "changes") : null,
      record.thought.lessons.map(line => h("p", { class: "text" }, "Lesson: " + line)),
      h("p", { class: "muted" }, "Live after the day: " + Object.entries(record.thought.live).map(([name, n]) => name + " " + n).join(", ")));
  }

  // ---------------------------------------------------------------------------------------------------------------- trades

  async function trades() {
    const found = await open("b-trades");
    const ticker = head.tickers.length > 1 ? [{ key: "ticker", label: "Ticker" }] : [];
    const money = (name, label, help, digits = 2) => ({ key: name, label, help, num: true, show: row => number(row[name], digits) });
    byId("trips-table").before(h("h3", null, "Round trips"));
    table(byId("trips-table"), { name: "Round trips", data: found.trips, empty: "No position was ever opened.", columns: [
      { key: "opened", label: "Opened", show: row => dayLink(row.ticker, row.opened) }, ...ticker,
      { key: "side", label: "Side", show: row => row.side > 0 ? "▲ long" : "▼ short", find: row => row.side > 0 ? "long" : "short" },
      { key: "decided_in", label: "Decided to enter", help: "The day whose decision opened it", show: row => dayLink(row.ticker, row.decided_in) },
      { key: "closed", label: "Closed", show: row => row.closed ? dayLink(row.ticker, row.closed) : "still open" },
      { key: "decided_out", label: "Decided to leave", help: "The day whose decision closed it", show: row => dayLink(row.ticker, row.decided_out) },
      money("profit", "Profit", "Realised, unrealised and dividends, fees included, money"),
      { key: "gain", label: "Gain", num: true, help: "Profit over the money put in", show: row => signed(row.gain) },
      { key: "benchmark", label: "Holding", num: true, help: "What buy and hold gained over the same sessions", show: row => signed(row.benchmark) },
      { key: "sessions", label: "Sessions", num: true, help: "Held, from the entry on" },
      money("entry", "Entry", "Mean price paid, fees not included, on the share basis of the last fill"), money("exit", "Exit", "Mean price received"),
      { key: "shares", label: "Shares", num: true, show: row => shares(row.shares) },
      { key: "worst", label: "Worst", num: true, help: "Deepest it stood below its entry", show: row => signed(row.worst) }, { key: "best", label: "Best", num: true, help: "Highest it stood above its entry", show: row => signed(row.best) },
      money("costs", "Costs", "Commission and slippage, money"), { key: "cause", label: "Ended by", show: row => words(row.cause) },
    ] });
    byId("fills-table").before(h("h3", null, "Fills"));
    table(byId("fills-table"), { name: "Fills", data: found.fills, empty: "Nothing was traded.", columns: [
      { key: "day", label: "Day", show: row => dayLink(row.ticker, row.day) }, ...ticker,
      { key: "decided", label: "Decided", show: row => dayLink(row.ticker, row.decided) },
      { key: "shares", label: "Shares", num: true, help: "Bought positive, sold negative", show: row => (row.shares > 0 ? "▲ " : "▼ ") + shares(row.shares) },
      money("price", "Price", "After slippage", 4), money("reference", "Reference", "Open, close or stop level before slippage", 4), money("commission", "Commission", "Money"), money("slippage", "Slippage", "Money lost against the reference"), money("realised", "Realised", "Profit or loss by average cost, fees included"),
      { key: "cause", label: "Cause", show: row => words(row.cause) }, { key: "note", label: "Note", cls: "long" },
    ] });
    byId("orders-table").before(h("h3", null, "Orders"));
    table(byId("orders-table"), { name: "Orders", data: found.orders, empty: "No order was placed.", choices: [{ label: "Status", of: row => row.status }], columns: [
      { key: "decided", label: "Decided", show: row => dayLink(row.ticker, row.decided) }, ...ticker, { key: "action", label: "Decision", show: row => pill(row.action), find: row => verdict(row.action) },
      { key: "wished", label: "Wished", num: true, help: "Share of equity the decision asked for", show: row => percent(row.wished, 0) }, { key: "weight", label: "Ordered", num: true, help: "Share of equity after the limits", show: row => percent(row.weight, 0) },
      { key: "status", label: "Status" }, { key: "ended", label: "Ended", show: row => dayLink(row.ticker, row.ended) }, { key: "reason", label: "Why", cls: "long" },
    ] });
  }

  // ---------------------------------------------------------------------------------------------------------------- memory

  const KINDS = { news: "news", filing_10q: "10-Q", filing_10k: "10-K", immediate_reflection: "reflection", extended_reflection: "weekly lesson" };
  async function memoryTable() {
    const parts = await Promise.all(head.tickers.map((_, at) => open("b-memories-" + at)));
    const data = parts.flatMap((part, at) => rows(part).map(row => ({ ticker: head.tickers[at], ...row })));
    const several = head.tickers.length > 1 ? [{ key: "ticker", label: "Ticker" }] : [];
    table(byId("memory-table"), { name: "Memories", data, empty: "No memory yet.", first: { at: several.length + 4, down: true },
      choices: [...(several.length ? [{ label: "Ticker", of: row => row.ticker }] : []), { label: "Layer", of: row => row.layer }, { label: "Kind", of: row => KINDS[row.kind] || row.kind }, { label: "State", of: row => row.alive ? "alive" : "forgotten" }],
      columns: [
        { key: "id", label: "Memory", num: true, show: row => memoryLink(row.ticker, row.id, String(row.id)) }, ...several,
        { key: "title", label: "Title", cls: "long", show: row => (row.title || "untitled").slice(0, 160) }, { key: "layer", label: "Layer", show: row => layer(row.layer) },
        { key: "kind", label: "Kind", show: row => KINDS[row.kind] || row.kind, find: row => KINDS[row.kind] || row.kind },
        { key: "cited", label: "Cited", num: true, help: "Times a decision cited it" }, { key: "recalled", label: "Recalled", num: true, help: "Times it was shown to the model" },
        { key: "importance", label: "Importance", num: true, help: "0 to 100, decayed to the last session", show: row => number(row.importance, 1) },
        { key: "recency", label: "Recency", num: true, help: "1 when new, falling with age", show: row => number(row.recency) },
        { key: "positive", label: "Credit", num: true, help: "Cited in decisions that turned out right (+) and wrong (-)", show: row => row.positive + "+ " + row.negative + "-", sort: row => row.positive - row.negative },
        { key: "born", label: "Born", show: row => dayLink(row.ticker, row.born) },
        { key: "forgotten_on", label: "Forgotten", show: row => row.forgotten_on ? dayLink(row.ticker, row.forgotten_on) : "" },
      ] });
  }

  async function memory(ticker, id) {
    const host = byId("memory-view"), number_of = head.tickers.indexOf(ticker);
    host.tabIndex = -1;
    const part = number_of < 0 ? null : await open("b-memories-" + number_of);
    const at = part ? part.rows.findIndex(row => row[0] === id) : -1;
    if (at < 0) { fill(host, h("p", { class: "note mild" }, part && id >= 1 && id <= part.of ? "Memory " + id + " of " + ticker + " is not in this file: no trace in it names it." : "There is no memory " + id + " of " + ticker + " in this run.")); return host; }
    const row = zipped(part.columns, part.rows[at]), block = await open("b-memory-" + number_of + "-" + Math.floor(at / part.block)), found = block.memories[String(id)];
    const about = zipped(block.about, found.about), events = found.events.map(one => zipped(block.event, one)), recalls = found.recalls.map(one => zipped(block.recall, one));
    const shown = recalls.filter(one => !one.near_miss).length;
    fill(host,
      h("div", { class: "dayhead" }, h("h3", { id: "m-" + anchor(ticker) + "-" + id }, ticker + " · memory " + id + " ", layer(row.layer)), h("button", { type: "button", onclick: () => { history.replaceState(null, "", "#memory"); fill(host); } }, "Close")),
      row.title ? h("p", null, h("b", null, row.title)) : null,
      row.alive ? null : h("p", { class: "note mild" }, "✕ Forgotten on ", dayLink(ticker, row.forgotten_on), "; kept for inspection."),
      box(about.text, "Text of the memory"),
      list([["Kind", KINDS[row.kind] || row.kind], ["Born", dayLink(ticker, row.born), about.phase === "train" ? "in training" : "in the test window"], ["Importance", number(row.importance, 1), "0 to 100, at the last session"], ["Recency", number(row.recency), "0 to 1, at the last session"], ["Credit", row.positive + "+ " + row.negative + "-"], ["Accesses", row.access_count], ["From", about.publisher || UNKNOWN, "document " + about.document_id + (about.chunk ? ", part " + (about.chunk + 1) : "")], ["Readable", moment(about.available_at), "all it says was known " + moment(about.known_at)], ["Content hash", h("code", null, about.content_hash)]]),
      h("h4", null, "What happened to it (" + events.length + ")"),
      simple("Events", ["day", "what", "layer", "importance as last set", "change", "why"], events.map(one => [dayLink(ticker, one.day), EVENTS[one.kind], (one.before_layer && one.before_layer !== one.after_layer ? one.before_layer + " → " : "") + one.after_layer, number(one.importance, 1), one.delta ? (one.delta > 0 ? "+" : "") + number(one.delta, 1) : "", one.reason + (one.source ? " (source " + one.source + ")" : "")]), [3, 4]),
      h("h4", null, "Recalled " + count(shown, "time") + ", just missed " + (recalls.length - shown)),
      recalls.length ? [key(), simple("Recalls", ["day", "layer", "rank", "use", "", "score", "decision", "outcome", "judged"], recalls.map(one => { const then = place.get(ticker + " " + one.day) || {}; return [dayLink(ticker, one.day), one.layer, one.rank, one.cited ? "★ cited" : one.near_miss ? "✂ just missed" : "shown", bar(one), number(one.score, 3), pill(then.action, then.phase), signed(then.outcome), judged(then.verdict)]; }), [2, 5, 7])] : h("p", { class: "muted" }, "It never came near the cut."));
    return host;
  }

  // ------------------------------------------------------------------------------------------------------------- the address

  async function follow() {
    const isDay = location.hash.startsWith("#d-");
    const found = location.hash.match(isDay ? /^#d-(.+)-(\d{4}-\d\d-\d\d)$/ : /^#m-(.+)-(\d{1,12})$/);
    if (!found) return;
    let ticker;
    try { ticker = decodeURIComponent(found[1]); } catch { return; }
    const host = byId(isDay ? "day-view" : "memory-view");
    await attempt(async () => { await ready; await (isDay ? day(ticker, found[2]) : memory(ticker, Number(found[2]))); }, host);
    host.scrollIntoView({ block: "start" });
    host.focus({ preventScroll: true });
  }

  document.documentElement.classList.toggle("red-up", head.red_up);
  const ready = attempt(decisions, byId("decisions-table"));
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const turn = byId("day-view").querySelector('a[data-turn="' + (event.key || "").toLowerCase().replace(/[^jk]/g, "") + '"]');
    if (turn) { event.preventDefault(); location.hash = turn.hash; }
  });
  ready.then(async () => { await attempt(trades, byId("trips-table")); await attempt(memoryTable, byId("memory-table")); document.documentElement.dataset.ready = "yes"; });
  charts();
  follow();
})();

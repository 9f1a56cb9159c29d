// Brings the page up to date every two seconds, or as ?every= says in milliseconds; what somebody is typing or has focused is left alone.
"use strict";
const EVERY_MS = Math.max(200, Number(new URLSearchParams(location.search).get("every")) || 2000);
const GIVE_UP_MS = 3 * EVERY_MS;
let last = Date.now();

function busy(part) {
  const focused = document.activeElement;
  return (part.contains(focused) && focused.tagName !== "SUMMARY") || [...part.querySelectorAll("input")].some(
    (one) => one.type === "checkbox" ? one.checked : one.type !== "hidden" && one.value !== "");
}

function sameQuestion(old, fresh) {
  const id = (part) => part.querySelector("input[name=plan]")?.value + part.querySelector("input[name=ask]")?.value;
  return old && fresh && id(old) === id(fresh);
}

function take(fresh) {
  document.title = fresh.title;
  const headline = document.getElementById("headline"), now = fresh.getElementById("headline");
  if (headline.textContent !== now.textContent) headline.replaceWith(now);
  const main = document.getElementById("main"), parts = new Map([...main.children].map((one) => [one.id, one]));
  const wanted = [...fresh.getElementById("main").children];
  for (const [id, one] of parts) if (!wanted.some((each) => each.id === id)) one.remove();
  const open = [...main.querySelectorAll("details[open]")].map((one) => one.id);
  const focused = document.activeElement.tagName === "SUMMARY" && document.activeElement.parentElement.id;
  let before = null;
  for (const one of wanted) {
    const old = parts.get(one.id);
    const keep = old && (old.innerHTML === one.innerHTML ||
      (busy(old) && (one.id !== "question" || sameQuestion(old, one))));
    const put = keep ? old : one;
    if (old && !keep) old.replaceWith(one);
    if (put.parentElement !== main || put.previousElementSibling !== before) before ? before.after(put) : main.prepend(put);
    before = put;
  }
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.querySelector("summary").focus({ preventScroll: true });
}

async function look() {
  try {
    const answer = await fetch("./", { signal: AbortSignal.timeout(EVERY_MS * 2) });
    if (!answer.ok) throw new Error(answer.status);
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    last = Date.now();
  } catch { /* said below, once it lasts */ }
  document.getElementById("stale").hidden = Date.now() - last < GIVE_UP_MS;
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);

// Numbers for people.

const cents = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const small = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 2, maximumFractionDigits: 12 });
const whole = new Intl.NumberFormat("en-US");

export function dollars(amount) {
  if (amount === null || amount === undefined) return "unknown";
  const [sign, value] = [amount < 0 ? "−" : "", Math.abs(amount)];
  if (value === 0) return "$0";
  return sign + "$" + (value < 0.01 ? small : cents).format(value);
}
// Amounts that are read together: all with as many decimals, so that what is added or subtracted agrees as shown; cents from
// $10 on, four decimals from ten cents on, below that as many as show four digits of the greatest.
// Of parts that have to add up it shows, below $10, a digit or two more where they would not.
export function alike(amounts, parts = []) {
  const most = Math.max(0, ...amounts.filter(Number.isFinite).map(Math.abs));
  const usual = most >= 10 || most === 0 ? 2 : most >= 0.1 ? 4 : Math.min(12, Math.max(4, 3 - Math.floor(Math.log10(most))));
  const units = (amount, places) => Math.round(amount * 10 ** places);
  const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);
  const addUp = (places) => sum(parts.map((part) => units(part, places))) === units(sum(parts), places);
  const places = (usual === 2 ? [2] : [usual, usual + 1, usual + 2]).find(addUp) ?? usual;
  const format = new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  const rounded = (amount) => Math.round(amount * 10 ** places) / 10 ** places;
  const show = (amount) => {
    if (amount === null || amount === undefined) return "unknown";
    if (amount === 0) return "$0";
    const sign = amount < 0 ? "−" : "";
    return rounded(Math.abs(amount)) === 0 ? `${sign ? ">" : "<"}${sign}$${format.format(10 ** -places)}` : `${sign}$${format.format(Math.abs(amount))}`;
  };
  // One less another, as a reader of both computes it.
  show.less = (from, amount) => Math.round((rounded(from) - rounded(amount)) * 10 ** places) / 10 ** places;
  return show;
}
// Ticks of a scale, with the digits of its step.
export function ticksOf(step) {
  const places = Array.from({ length: 13 }, (_, at) => at).find((at) => Math.abs(step * 10 ** at - Math.round(step * 10 ** at)) < 1e-6) ?? 12;
  const format = new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  return (value) => value === 0 ? "$0" : `$${format.format(value)}`;
}
export const count = (number) => whole.format(number);
export const many = (number, one) => `${count(number)} ${one}${number === 1 ? "" : "s"}`;
export function percent(share) {
  if (share === null || share === undefined) return "–";
  return (share * 100).toFixed(1).replace(/\.0$/, "").replace("-", "−") + " %";
}
export function time(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const short = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayName = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });
const hourName = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const when = (ms) => moment.format(ms);
export const shortly = (ms) => short.format(ms);
export const day = (ms) => dayName.format(ms);
export const hour = (ms) => hourName.format(ms);

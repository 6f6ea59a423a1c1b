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

// Questions to the router. The key, where one is needed, lives as long as the tab.

const NAME = "tierway-key";
export class NeedsKey extends Error {}

export const keepKey = (key) => key ? sessionStorage.setItem(NAME, key) : sessionStorage.removeItem(NAME);

export async function ask(path, parameters = {}, signal) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  return answer(`/api/v1/${path}${query.size ? `?${query}` : ""}`, { signal });
}

export const post = (path, body, signal) =>
  answer(`/api/v1/${path}`, { signal, method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });

async function answer(address, options) {
  const key = sessionStorage.getItem(NAME);
  const headers = { ...options.headers, ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const reply = await fetch(address, { ...options, headers, cache: "no-store", credentials: "omit" });
  const body = await reply.json().catch(() => ({}));
  if (reply.ok) return body;
  const message = body.error?.message ?? `the router answered with HTTP ${reply.status}`;
  throw reply.status === 401 || reply.status === 403 ? new NeedsKey(message) : new Error(message);
}

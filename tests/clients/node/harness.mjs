// Starts the fake upstream and `tierway serve` for one test file, with the config of the Python suite.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const binaries = process.env.TIERWAY_BINARIES ?? join(here, '../../../target/debug');

// One provider for each API that tierway can speak upstream. Their models need no entry in the config.
export const PROVIDERS = ['chat', 'resp', 'anthropic', 'gemini', 'ollama', 'converse'];

function config(url) {
  const python = readFileSync(join(here, '../python/harness.py'), 'utf8');
  const text = /CONFIG = """\n([^]*?)"""/.exec(python)[1];
  return text.replaceAll('{url}', url).replaceAll('{more}', '').replaceAll('{{', '{').replaceAll('}}', '}');
}

function start(command, args, options, stream, says) {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}`)));
    for (const pipe of [child.stdout, child.stderr]) {
      createInterface({ input: pipe }).on('line', (line) => {
        const found = pipe === child[stream] && says.exec(line);
        if (found) resolve({ child, address: found[1] });
      });
    }
  });
}

export async function begin() {
  const upstream = await start(join(binaries, 'tierway-fake-upstream'), [], {}, 'stdout', /"url":"([^"]+)"/);
  const dir = await mkdtemp(join(tmpdir(), 'tierway-'));
  await writeFile(join(dir, 'tierway.toml'), config(upstream.address));
  const env = { PATH: process.env.PATH, ANTHROPIC_API_KEY: 'k', GEMINI_API_KEY: 'k', OPENAI_API_KEY: 'k' };
  const options = { cwd: dir, env };
  const serve = ['serve', '--config', 'tierway.toml'];
  const tierway = await start(join(binaries, 'tierway'), serve, options, 'stderr', /listens on (http:\S+)/);
  const watch = await start(join(binaries, 'tierway-stream-watch'), [tierway.address], {}, 'stdout', /"url":"([^"]+)"/);
  const put = (path, body) => fetch(upstream.address + path, { method: 'PUT', body: JSON.stringify(body) });
  return {
    address: watch.address,
    v1: `${watch.address}/v1`,
    fail: (model, kind, details = {}) => put(`/_fake/plan/${model}`, { then: { kind, ...details } }),
    traits: (model, traits) => put(`/_fake/traits/${model}`, traits),
    async seen(model) {
      return (await fetch(`${upstream.address}/_fake/requests/${model}`)).json();
    },
    upstream: upstream.address,
    // How long after a client left the call to the model ended. `leave` asks, and is done when it has left.
    async lag(model, leave) {
      const earlier = (await this.seen(model)).length;
      const began = performance.now();
      await leave();
      const elapsed = performance.now() - began;
      for (;;) {
        const seen = (await this.seen(model)).find((one) => one.call === earlier);
        if (seen.ended.how === 'client_gone') return seen.ended.at_ms - seen.at_ms - elapsed;
        if (seen.ended.how !== 'open') throw new Error(`it ended otherwise: ${seen.ended.how}`);
      }
    },
    // As `stops_within` of the Python suite: beside what the client alone takes, in the best of some tries.
    async stopsWithin(bar, through, control, tries = 5) {
      const added = [];
      for (let at = 0; at < tries; at += 1) {
        const direct = await this.lag(...control);
        added.push((await this.lag(...through)) - Math.max(direct, 0));
        if (added.at(-1) < bar) return;
      }
      throw new Error(`the router added ${added} ms each time`);
    },
    // Every stream has to have kept the grammar of its API.
    async stop() {
      const { breaches } = await (await fetch(`${watch.address}/_watch`)).json();
      for (const { child } of [watch, tierway, upstream]) {
        child.removeAllListeners('exit');
        child.kill();
      }
      if (breaches.length > 0) throw new Error(breaches.slice(0, 20).join('\n'));
    },
  };
}

let number = 0;

// A model that nobody else uses: [name upstream, name to ask for].
export function fresh(provider) {
  number += 1;
  // Bedrock's models take different things, which their names say.
  const name = `${provider === 'converse' ? 'amazon.nova' : 'model'}-${process.pid}-${number}`;
  return [name, `${provider}/${name}`];
}

export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';

export const user = (content) => [{ role: 'user', content }];

/**
 * The step-up: a window on the hub's origin asks for the password and posts a grant back. The panel keeps it in memory and
 * sends it with its requests; no cell of a notebook can get at the window or the grant.
 */
import type { Client } from './client';

const NAME = 'himalia-step-up';
const LOOK_MS = 300;

/** Opens the window and waits for the grant; rejects when the person closes it. Call it from a click. */
export function stepUp(client: Client, hubUrl: string): Promise<void> {
  const origin = new URL(hubUrl).origin;
  const child = window.open(`${hubUrl}/hub/himalia/step-up`, NAME, 'popup,width=440,height=520');
  return new Promise((resolve, reject) => {
    const done = () => {
      window.removeEventListener('message', listen);
      clearInterval(timer);
    };
    const listen = (event: MessageEvent) => {
      const data = event.data as { type?: string; grant?: string; until?: string } | null;
      if (event.origin !== origin || data?.type !== NAME || !data.grant) {
        return;
      }
      done();
      client.grant = data.grant;
      const left = data.until ? Date.parse(data.until) - Date.now() : 0;
      window.setTimeout(() => (client.grant = null), Math.max(0, left));
      resolve();
    };
    const timer = setInterval(() => {
      if (!child || child.closed) {
        done();
        reject(new Error('closed'));
      }
    }, LOOK_MS);
    window.addEventListener('message', listen);
  });
}

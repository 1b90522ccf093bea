/** What jsdom lacks and the panels use. */
import '@testing-library/jest-dom/vitest';
import { cleanup, configure } from '@testing-library/react';
import { afterEach } from 'vitest';

// Machines that build are slow and shared; a condition is waited for, however long it takes within reason.
configure({ asyncUtilTimeout: 8_000 });

class NoResizeObserver implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

if (typeof window !== 'undefined') {
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function close() {
    this.open = false;
  };

  globalThis.ResizeObserver ??= NoResizeObserver;
  globalThis.DragEvent ??= MouseEvent as unknown as typeof DragEvent;

  // jsdom loads no pictures and draws none.
  HTMLImageElement.prototype.decode = () => Promise.resolve();
  HTMLCanvasElement.prototype.getContext = () => null;

  // jsdom has no layout; a size lets virtual lists render their first rows.
  const size = (value: number) => ({ configurable: true, get: () => value });
  Object.defineProperties(Element.prototype, { clientHeight: size(600), clientWidth: size(1_280) });
  Object.defineProperties(HTMLElement.prototype, { offsetHeight: size(600), offsetWidth: size(1_280) });
  afterEach(cleanup);
}

/** What jsdom lacks and the panels use. */
import '@testing-library/jest-dom/vitest';
import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

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

  // jsdom has no layout; a size lets virtual lists render their first rows.
  Object.defineProperties(HTMLElement.prototype, {
    offsetHeight: { configurable: true, value: 600 },
    offsetWidth: { configurable: true, value: 1000 }
  });
  afterEach(cleanup);
}

/** What jsdom lacks and the panels use. */
import '@testing-library/jest-dom/vitest';
import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

HTMLDialogElement.prototype.showModal = function showModal() {
  this.open = true;
};
HTMLDialogElement.prototype.close = function close() {
  this.open = false;
};

class NoResizeObserver implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

globalThis.ResizeObserver ??= NoResizeObserver;

// jsdom has no layout; a size lets virtual lists render their first rows.
Object.defineProperties(HTMLElement.prototype, {
  offsetHeight: { configurable: true, value: 600 },
  offsetWidth: { configurable: true, value: 1000 }
});

afterEach(cleanup);

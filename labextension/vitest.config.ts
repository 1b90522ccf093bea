import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    // JupyterLab's packages import CSS and JSON in ways only a bundler understands.
    server: { deps: { inline: [/@jupyterlab/, /@lumino/] } },
    css: false,
    poolOptions: { threads: { maxThreads: 2 } }
  }
});

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const testing = (name: string) => fileURLToPath(new URL(`src/testing/${name}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      '@jupyterlab/ui-components': testing('ui-components.ts'),
      '@jupyterlab/apputils': testing('apputils.ts')
    }
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    testTimeout: 30_000,
    // JupyterLab's packages import CSS and JSON in ways only a bundler understands.
    server: { deps: { inline: [/@jupyterlab/, /@lumino/] } },
    css: false,
    poolOptions: { threads: { maxThreads: 2 } }
  }
});

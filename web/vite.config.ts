import { defineConfig } from 'vite'

export default defineConfig({
  base: './', // the page also works below a prefix of a reverse proxy
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the page's Content-Security-Policy wants files
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800, // three.js, for the page of rooms alone
    rolldownOptions: { input: ['index.html', 'xr.html'] }
  }
})

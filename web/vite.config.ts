import { defineConfig } from 'vite'

export default defineConfig({
  base: './', // the page also works below a prefix of a reverse proxy
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // the page's Content-Security-Policy wants files
    modulePreload: { polyfill: false }
  }
})

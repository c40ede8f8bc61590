// @y/websocket-server as it comes. PORT in the environment.
process.env.HOST = '127.0.0.1'
await import('@y/websocket-server/server')

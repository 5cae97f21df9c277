/* Search when the site is opened from disk: browsers start no worker of a file:// page, so the
 * theme's search runs in a hidden frame instead. The theme looks for a class of this name, and its
 * plugin `offline` would fetch another one of it from the network. */
class IFrameWorker extends EventTarget {
  constructor(url) {
    super()
    const frame = document.createElement("iframe")
    frame.hidden = true
    document.body.appendChild(frame)
    this.inside = frame.contentWindow
    window.addEventListener("message", event => {
      if (event.source !== this.inside) return
      const copy = new MessageEvent("message", { data: event.data })
      this.dispatchEvent(copy)
      if (this.onmessage) this.onmessage(copy)
    })
    const page = this.inside.document
    page.open()
    page.write(`<body><script>
      const load = url => new Promise((resolve, reject) => {
        const script = document.createElement("script")
        script.onload = resolve
        script.onerror = reject
        script.src = url
        document.body.appendChild(script)
      })
      importScripts = (...urls) =>
        urls.reduce((before, url) => before.then(() => load(url)), Promise.resolve())
      postMessage = data => window.parent.postMessage(data, "*")
    <\/script><script src="${url}"><\/script></body>`)
    page.close()
    this.ready = new Promise(resolve => { frame.onload = resolve })
  }

  postMessage(data) {
    this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
  }

  terminate() {
    this.inside.frameElement.remove()
  }
}

if (location.protocol === "file:") window.Worker = window.IFrameWorker = IFrameWorker

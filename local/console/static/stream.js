// The state of the cloud, kept up to date by server-sent events.

const KINDS = ["queue", "records", "charges", "faults", "functions"];
const RETRY_MILLISECONDS = 1500;
const MOST_UPLOADS = 200;

/**
 * Follow the cloud: call `onChange(state, kinds)` with the whole state and the names of its parts
 * that changed, at most once a frame, and `onConnection("live" | "gone")`.
 */
export function follow(onChange, onConnection) {
  let state = null;
  let changed = new Set();

  function note(kind) {
    if (changed.size === 0) requestAnimationFrame(notify);
    changed.add(kind);
  }

  function notify() {
    const kinds = changed;
    changed = new Set();
    onChange(state, kinds);
  }

  function connect() {
    const source = new EventSource("/api/events");
    source.addEventListener("state", (event) => {
      state = JSON.parse(event.data);
      onConnection("live");
      ["uploads", "cloud", "samples", ...KINDS].forEach(note);
    });
    source.addEventListener("upload", (event) => {
      state = { ...state, uploads: withUpload(state.uploads, JSON.parse(event.data)) };
      note("uploads");
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        state = { ...state, [kind]: JSON.parse(event.data) };
        note(kind);
      });
    }
    source.onerror = () => {
      // Reconnect by hand: the browser gives up after a response other than 200, and does not
      // report when it tries again.
      source.close();
      onConnection("gone");
      setTimeout(connect, RETRY_MILLISECONDS);
    };
  }

  connect();
}

/** Return the uploads with one added or replaced, newest first. */
function withUpload(uploads, fresh) {
  const known = uploads.findIndex((upload) => upload.id === fresh.id);
  if (known >= 0) return uploads.with(known, fresh);
  const place = uploads.findIndex((upload) => upload.uploaded_at <= fresh.uploaded_at);
  const at = place < 0 ? uploads.length : place;
  return uploads.toSpliced(at, 0, fresh).slice(0, MOST_UPLOADS);
}

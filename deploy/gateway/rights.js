// What keys.map knows a key's right to a model by: the SHA-256 of `KEY:MODEL`, in hexadecimal. Empty if no key is shown.
// The model is inside, because nginx compares the lines of a map without regard to case.
import crypto from "crypto";

function rights(request) {
  const shown = /^Bearer ([A-Za-z0-9._~+/=-]{1,512})$/i.exec(request.headersIn.Authorization || "");
  return shown ? crypto.createHash("sha256").update(`${shown[1]}:${request.variables.model}`).digest("hex") : "";
}

export default { rights };

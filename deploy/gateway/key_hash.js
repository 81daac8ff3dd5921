// The SHA-256 of the key that a request shows, in hexadecimal: what keys.map knows it by. Empty if it shows none.
import crypto from "crypto";

function keyHash(request) {
  const shown = /^Bearer ([A-Za-z0-9._~+/=-]{1,512})$/i.exec(request.headersIn.Authorization || "");
  return shown ? crypto.createHash("sha256").update(shown[1]).digest("hex") : "";
}

export default { keyHash };

/** Bytes as they are carried in pages, and the checksum of what is stored. */

/** Return the bytes of base64. */
export function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** Return the JSON that zlib packed. */
export async function unpackedJson(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  return sum;
});

/** Return the CRC-32C of bytes. */
export function crc32c(bytes) {
  let sum = 0xffffffff;
  for (let i = 0; i < bytes.length; i += 1) sum = TABLE[(sum ^ bytes[i]) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/** Return whether bytes end with their own CRC-32C, little-endian. */
export function isSealed(bytes) {
  if (bytes.length < 4) return false;
  const end = bytes.length - 4;
  const stored = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0, true);
  return stored === crc32c(bytes.subarray(0, end));
}

/** Name and version this SDK gives itself in `sr.ClientHello`. */
export const CLIENT_NAME = '@sofa-registry/client 0.1.0';

namespace Riser.Actors.ConfigSpace;

/// <summary>The device behind a <see cref="PciConfigSpace"/>: its real registers, and what must be done by other means than writing them.</summary>
internal interface IConfigFunction
{
    /// <summary>Reads one byte of the device.</summary>
    byte ReadHardware(int offset);

    /// <summary>Writes one byte of the device; read-only bits keep their value.</summary>
    void WriteHardware(int offset, byte value);

    /// <summary>Called once after the bytes of one access were written, when any was.</summary>
    void HardwareWritten();

    /// <summary>COMMAND bit 10, as the user wrote it.</summary>
    void SetIntxDisabled(bool disabled);

    /// <summary>COMMAND bit 1 went off: mappings of BARs must go; or on.</summary>
    void SetMemoryEnabled(bool enabled);

    /// <summary>The device lost its BARs in a reset; the user is about to enable them.</summary>
    void RestoreBars();

    /// <summary>PM power state 0 to 3 (D0 to D3hot); the function changes the register itself.</summary>
    void SetPowerState(int state);

    /// <summary>The user asked for a function level reset.</summary>
    void ResetFunction();

    /// <summary>Reads or writes 4 bytes of vital product data. False: the device did not answer.</summary>
    bool TryVpd(int address, bool write, ref uint data);
}

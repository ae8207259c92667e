# What powershell.exe is started with. It reads bootstrap.ps1 from stdin, runs it only when its SHA-256 is the one
# written here, and hands it the reader. A line that is torn or is something else is passed over.
$ProgressPreference = 'SilentlyContinue'
Add-Type -AssemblyName System.Core
$sha = New-Object Security.Cryptography.SHA256CryptoServiceProvider
$reader = New-Object IO.StreamReader([Console]::OpenStandardInput(), [Text.Encoding]::ASCII)
while (($line = $reader.ReadLine()) -ne $null) {
    $words = $line.Split(' ')
    if ($words.Length -ne 4) { continue }
    try { $bytes = [Convert]::FromBase64String($words[3]) } catch { continue }
    $hash = [BitConverter]::ToString($sha.ComputeHash($bytes)).Replace('-', '')
    if ($hash -ne '{sha256 of bootstrap.ps1}') { continue }
    & ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString($bytes))) $reader
    break
}
